"""Accounts of tests, their sessions, and what a person or a thief does with them."""
