"""The parts of psycopg that common/postgresql/base.py and apikeys/verify/prepared_lookup.py rely on. A release of
psycopg that changes them fails here.
"""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg.adapt import Transformer
from psycopg.waiting import Ready, Wait

from common.postgresql.base import Connection
from tests.support.environment import ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(ON_SQLITE, reason="psycopg is for PostgreSQL")]


def test_a_wait_is_asked_again_while_nothing_comes():
    """At this point our code can end a wait that is over."""
    connection.ensure_connection()

    def steps() -> Generator[Wait, Ready, list[Ready]]:
        first = yield Wait.R
        second = yield Wait.R
        return [first, second]

    assert psycopg.Connection.wait(connection.connection, steps()) == [Ready.NONE, Ready.NONE]


def test_connecting_is_such_a_wait_too():
    connected = []

    class Seen(psycopg.Connection[Any]):
        @classmethod
        def _connect_gen(cls, conninfo: str = "") -> Any:
            connected.append(conninfo)
            return super()._connect_gen(conninfo)

    connection.ensure_connection()
    Seen.connect(**connection.get_connection_params() | {"cursor_factory": None, "context": None}).close()
    assert len(connected) == 1


def test_django_connects_by_our_connection():
    connection.ensure_connection()
    assert isinstance(connection.connection, Connection)


def test_a_row_is_decoded_by_the_types_of_an_earlier_result():
    connection.ensure_connection()
    decoder, rows = Transformer(), []
    for values in ("7::bigint, 'Zoë'::text, true, 0.5::float8, null::text", "8::bigint, '', false, null::float8, 'x'"):
        result = connection.connection.pgconn.exec_params(f"SELECT {values}".encode(), None, result_format=1)
        decoder.set_pgresult(result, set_loaders=not rows)
        rows.append(decoder.load_row(0, tuple))
    assert rows == [(7, "Zoë", True, 0.5, None), (8, "", False, None, "x")]
