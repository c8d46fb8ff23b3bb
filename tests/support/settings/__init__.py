"""Environments and settings for servers that tests start."""
