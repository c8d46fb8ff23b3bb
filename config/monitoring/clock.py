"""How far this process's clock is from the database's. Ends of keys and of pauses are compared with the process's."""

import time

from django.db import connection

MOST_SECONDS = 1.0


def problem() -> str | None:
    """Why this process must not serve. SQLite has no clock of its own."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        asked_at, began = time.time(), time.monotonic()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        theirs = cursor.fetchone()[0]
        took = time.monotonic() - began
    ahead = seconds_ahead(theirs, asked_at, took)
    if abs(ahead) <= MOST_SECONDS:
        return None
    direction = "ahead of" if ahead > 0 else "behind"
    return (
        f"The clock of this server is {abs(ahead):.1f} seconds {direction} the database's, so keys would expire at the "
        f"wrong time. More than {MOST_SECONDS:g} second is too much. Synchronise both clocks (NTP)."
    )


def seconds_ahead(theirs: float, asked_at: float, took: float) -> float:
    """How many seconds our clock is ahead, at least; negative if it is behind.

    The database read its clock, `theirs`, at some moment of the `took` seconds after `asked_at`. An answer that took
    long therefore shows no difference where there is none.
    """
    if theirs < asked_at:
        return asked_at - theirs
    return min(0.0, asked_at + took - theirs)
