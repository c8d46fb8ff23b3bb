"""Requests of programs: with a key, uploads, reports, and hostile ones."""
