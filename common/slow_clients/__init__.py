"""Bounds on what a slow client can hold: threads, bodies that do not come, stalled connections."""
