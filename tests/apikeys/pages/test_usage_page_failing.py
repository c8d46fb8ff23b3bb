"""The Usage page and its CSV, while the server's database fails."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.pages.usage_pages import KEYS_A_QUERY
from apikeys.usage.models import KeyUse
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory
from tests.support.programs.servers import Server, session_headers

pytestmark = pytest.mark.django_db(transaction=True)

# The database evaluates neither of these before it reads a row.
FAILURE = "json('{') IS NULL" if ON_SQLITE else "pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def keys(project, owner) -> list[ApiKey]:
    """One more key than the CSV reads at once. Each had a call just now."""
    keys = ApiKeyFactory.create_batch(KEYS_A_QUERY + 1, project=project, responsible=owner)
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    KeyUse.objects.bulk_create(
        KeyUse(key=key, span="hour", starts_at=hour, outcome="ok", calls=7, last_at=now) for key in keys
    )
    return keys


@contextmanager
def failing_at(key: ApiKey) -> Iterator[None]:
    """The database fails whenever it reads the use of `key`. PostgreSQL fails by ending the connection."""
    table = KeyUse._meta.db_table
    rows = f"SELECT * FROM kept WHERE CASE WHEN key_id = {key.pk} THEN {FAILURE} ELSE 1 = 1 END"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO kept")
        cursor.execute(f"CREATE VIEW {table} AS {rows}")
        try:
            yield
        finally:
            cursor.execute(f"DROP VIEW {table}")
            cursor.execute(f"ALTER TABLE kept RENAME TO {table}")


@pytest.fixture
def addresses(project) -> list[str]:
    return [reverse(f"apikeys:{name}", args=[project.public_id]) for name in ("usage", "usage_csv")]


def test_a_file_is_whole_or_not_sent(server: Server, keys, addresses, owner, signed_in):
    """T35: readers do not count lines, so half of the keys would look like all of them."""
    page, file = addresses
    headers = session_headers(signed_in(owner))
    whole = server.request("GET", file, headers=headers)
    lines = list(csv.reader(whole.body.decode("utf-8-sig").splitlines()))
    assert (whole.status, [line[1] for line in lines[1:]]) == (200, [key.public_id for key in keys])
    assert whole.headers["Content-Length"] == str(len(whole.body))

    logged = len(server.log_text())
    with failing_at(keys[-1]):
        unavailable, answer = [server.request("GET", address, headers=headers) for address in (page, file)]
    assert (unavailable.status, answer.status) == (503, 503)
    assert answer.body == unavailable.body
    assert b"Temporarily unavailable" in answer.body
    for name in ("Content-Type", "Retry-After", "Cache-Control"):
        assert answer.headers[name] == unavailable.headers[name], name
    assert "Content-Disposition" not in answer.headers
    assert "Traceback" not in server.log_text()[logged:], "the log has a line without secrets instead of a traceback"
    assert server.request("GET", file, headers=headers).body == whole.body
