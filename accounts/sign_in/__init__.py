"""Signing up and in, confirming who it is, passwords, and the emails with codes."""
