"""Sends one prepared statement to PostgreSQL over Django's own connection, as directly as libpq allows.

A cursor, Django's or psycopg's, takes longer than the lookup itself
(https://www.postgresql.org/docs/current/libpq-async.html).
"""

import select
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import psycopg
from psycopg import pq
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, error_from_result

from common import database_deadline

_BINARY = 1
# The server has no statement of that name, or has another client's statement. The name of ours contains the digest of
# its SQL.
_NOT_KEPT = (InvalidSqlStatementName, DuplicatePreparedStatement)


class _Line:
    """The state of one connection: how to wait for it, and which statements it has prepared.

    A pooler that gives each transaction another connection loses them (PgBouncer before 1.21 does).
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.pgconn = connection.pgconn
        self.prepared: set[bytes] = set()
        self.keeps_statements = True
        self._poll = select.poll()
        self._poll.register(self.pgconn.socket, select.POLLIN)

    def ask(self, name: bytes, sql: bytes, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        if self.keeps_statements:
            try:
                return self._ask_prepared(name, sql, parameters)
            except _NOT_KEPT:
                self.keeps_statements = False
        # One message, which every pooler passes on whole. The server plans the statement each time.
        self.pgconn.send_query_params(sql, parameters, None, [_BINARY] * len(parameters), _BINARY)
        return self._answer(pq.ExecStatus.TUPLES_OK)

    def _ask_prepared(self, name: bytes, sql: bytes, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        if name not in self.prepared:
            self.pgconn.send_prepare(name, sql)
            self._answer(pq.ExecStatus.COMMAND_OK)
            self.prepared.add(name)
        self.pgconn.send_query_prepared(name, parameters, [_BINARY] * len(parameters), _BINARY)
        return self._answer(pq.ExecStatus.TUPLES_OK)

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
) -> list[bytes] | None:
    """The columns of the first row, with b"" for a null; None without a row. Parameters and columns have the binary
    format.

    Raises database_deadline.NoAnswer, after which the connection cannot be used again, or psycopg's other errors.
    """
    line = _lines.get(connection)
    if line is None:
        line = _lines[connection] = _Line(connection)
    with database_deadline.Wait():
        result = line.ask(name, sql, parameters)
    return [result.get_value(0, column) or b"" for column in range(result.nfields)] if result.ntuples else None
