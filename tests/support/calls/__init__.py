"""Requests of programs: calls with a key, uploads, reports and hostile requests."""
