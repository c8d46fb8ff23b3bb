"""Environments and settings that servers of tests start with."""
