"""Middleware: what holds for every request, who is signed in, and static files."""
