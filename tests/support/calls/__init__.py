"""Calls of programs: with a key, as uploads, as reports, and hostile ones."""
