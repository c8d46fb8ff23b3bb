"""Sends one prepared statement to PostgreSQL over Django's own connection, as directly as libpq allows.

A cursor, Django's or psycopg's, takes longer than the lookup itself
(https://www.postgresql.org/docs/current/libpq-async.html).
"""

import select
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import abc, pq
from psycopg.adapt import Transformer
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, error_from_result

from common import database_deadline

_BINARY = 1
_PREPARED, _ROWS = pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK
# The server has no statement of that name, or has another client's statement. The name of ours contains the digest of
# its SQL.
_NOT_KEPT = (InvalidSqlStatementName, DuplicatePreparedStatement)


class _Line:
    """The state of one connection: how to wait for it, which statements it has prepared, and what decodes their rows.

    A pooler that gives each transaction another connection loses them (PgBouncer before 1.21 does).
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.pgconn = connection.pgconn
        self.prepared: set[bytes] = set()
        self.keeps_statements = True
        self._decoders: dict[bytes, abc.Transformer] = {}
        self._poll = select.poll()
        self._poll.register(self.pgconn.socket, select.POLLIN)

    def ask(self, name: bytes, sql: bytes, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        formats = [_BINARY] * len(parameters)
        if self.keeps_statements:
            try:
                if name not in self.prepared:
                    self._prepare(name, sql)
                self.pgconn.send_query_prepared(name, parameters, formats, _BINARY)
                return self._answer(_ROWS)
            except _NOT_KEPT:
                self.keeps_statements = False
        # One message, which every pooler passes on whole. The server plans the statement each time.
        self.pgconn.send_query_params(sql, parameters, None, formats, _BINARY)
        return self._answer(_ROWS)

    def first_row(self, name: bytes, result: pq.abc.PGresult) -> tuple[Any, ...] | None:
        """The types of a statement's columns are looked at once."""
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = Transformer()
            decoder.set_pgresult(result)
        else:
            decoder.set_pgresult(result, set_loaders=False)
        return decoder.load_row(0, tuple) if result.ntuples else None

    def _prepare(self, name: bytes, sql: bytes) -> None:
        self.pgconn.send_prepare(name, sql)
        self._answer(_PREPARED)
        self.prepared.add(name)

    def _answer(self, expected: pq.ExecStatus) -> pq.abc.PGresult:
        # A statement fits into the socket's buffer many times over, so one flush sends it.
        self.pgconn.flush()
        while self.pgconn.is_busy():
            seconds = database_deadline.seconds_left()
            if not self._poll.poll(seconds if seconds is None else seconds * 1000):
                raise database_deadline.NoAnswer(f"The database gave no answer in {database_deadline.SECONDS} s.")
            self.pgconn.consume_input()
        result = self.pgconn.get_result()
        while self.pgconn.get_result():
            pass
        if result is None:
            raise psycopg.OperationalError("The connection was lost.")
        if result.status != expected:
            raise error_from_result(result)
        return result


_lines: WeakKeyDictionary[psycopg.Connection, _Line] = WeakKeyDictionary()


def fetch_row(
    connection: psycopg.Connection, name: bytes, sql: bytes, parameters: Sequence[bytes]
) -> tuple[Any, ...] | None:
    """The first row, decoded as psycopg does it; None without a row. Parameters have the binary format.

    Raises database_deadline.NoAnswer, after which the connection cannot be used again, or psycopg's other errors.
    """
    line = _lines.get(connection)
    if line is None:
        line = _lines[connection] = _Line(connection)
    with database_deadline.Wait():
        result = line.ask(name, sql, parameters)
    return line.first_row(name, result)
