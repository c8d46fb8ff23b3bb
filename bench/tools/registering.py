"""Waits until the processes of a server keep rows of keys. The first checks of each process make it register."""

import time

import psycopg

from bench.tools.load import LoadFailed, status

_UNTIL = "SELECT until FROM apikeys_leaseregistration"
SECONDS_TO_WAIT = 30
# Two processes may register in one moment, and then one of them is not seen.
SECONDS_FOR_ALL = 5


def registered(database_url: str, check_url: str, header: str, workers: int = 1) -> None:
    """Calls the check until that many processes have registered. Each says in the database until when, once."""
    seen: set[object] = set()
    began = time.monotonic()
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = connection.execute(_UNTIL).fetchone()
        while len(seen) < workers and not (seen and time.monotonic() > began + SECONDS_FOR_ALL):
            if time.monotonic() > began + SECONDS_TO_WAIT:
                raise LoadFailed("No process of the server has registered for the lease.")
            if status(check_url, header) != 204:  # over a new connection, hence by any of the processes
                raise LoadFailed("The check rejects a good key.")
            row = connection.execute(_UNTIL).fetchone()
            seen |= {row} - {before}
