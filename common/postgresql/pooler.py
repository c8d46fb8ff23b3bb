"""Whether PostgreSQL's time limits hold behind a connection pooler.

A pooler in session mode keeps the settings of a connection (common/postgresql/base.py). A pooler in transaction mode,
such as PgBouncer with pool_mode=transaction, runs each transaction on any of its own connections. There the role's
settings have to hold the limits.
"""

from django.db import connection

from common.postgresql.base import LIMITS, is_pooled

# Others may take the pooler's free connection between two statements; then it is asked again.
TRIES = 5


def problem() -> str | None:
    """A sentence with the statements that solve the problem; None if the limits hold."""
    if connection.vendor != "postgresql" or not _is_pooled():
        return None
    if not _are_connections_shared() or all(_role_default(limit) for limit in LIMITS):
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_user), quote_ident(current_database())")
        role, database = cursor.fetchone()
    statements = " ".join(
        f"ALTER ROLE {role} IN DATABASE {database} SET {name} = {limit};" for name, limit in LIMITS.items()
    )
    return f"DATABASE_URL: a pooler in transaction mode loses the time limits. Run: {statements} Then reconnect it."


def _is_pooled() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return is_pooled(connection.connection, cursor.fetchone()[0])


def _are_connections_shared() -> bool:
    """Whether a second connection gets the server process that this one has just used."""
    other = connection.copy()
    try:
        with other.cursor() as theirs, connection.cursor() as ours:
            for _ in range(TRIES):
                pids = []
                for cursor in (ours, theirs):
                    cursor.execute("SELECT pg_backend_pid()")
                    pids.append(cursor.fetchone())
                if pids[0] == pids[1]:
                    return True
    finally:
        other.close()
    return False


def _role_default(limit: str) -> int:
    """The role's setting for new connections, without changes that were made on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reset_val FROM pg_settings WHERE name = %s", [limit])
        return int(cursor.fetchone()[0])
