"""Middleware: rules for every request, who is signed in, and static files."""
