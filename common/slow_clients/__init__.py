"""Limits on what a slow client can hold: threads, bodies that do not arrive, stalled connections."""
