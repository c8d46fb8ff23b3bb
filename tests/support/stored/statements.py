"""Counts the statements that the database received, in PostgreSQL's own log, and compares what Django sent.

Django's count of queries is not enough, because the check of a key bypasses Django's cursor.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.environment import ON_SQLITE, postgres

_VALUE = re.compile(r"'(?:[^']|'')*'(?:::\w+(?:\[\])?)?|\b\d+(?:\.\d+)?\b|NULL|\b[Tt]rue\b|\b[Ff]alse\b")
_OF_TRANSACTIONS = re.compile("BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE")


def shapes(captured: CaptureQueriesContext) -> list[str]:
    """The statements, with a question mark for each value.

    It leaves out where transactions begin and end: one that is taken back has a statement more.
    """
    return [_VALUE.sub("?", query["sql"]) for query in captured if not _OF_TRANSACTIONS.match(query["sql"])]


@contextmanager
def assert_statements(number: int) -> Iterator[None]:
    """Fails unless this thread's connection sends exactly `number` statements inside the block."""
    if ON_SQLITE:
        with CaptureQueriesContext(connection) as captured:
            yield
        found = [query["sql"] for query in captured.captured_queries]
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET log_statement = 'all'; SELECT pg_backend_pid()")
            cursor.nextset()
            pid = cursor.fetchone()[0]
        before = postgres.log.stat().st_size
        yield
        with postgres.log.open("rb") as log:
            log.seek(before)
            text = log.read().decode(errors="replace")
        with connection.cursor() as cursor:
            cursor.execute("RESET log_statement")
        found = re.findall(rf"\[{pid}\] LOG:  (?:statement|execute [^:]*): (.*)", text)
    assert len(found) == number, "\n".join(found)
