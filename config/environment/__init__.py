"""Reads and checks what the environment says, before the settings take it."""
