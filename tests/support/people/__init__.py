"""Accounts for tests, their sessions, and actions of a person or a thief."""
