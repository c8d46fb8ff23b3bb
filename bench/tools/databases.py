"""The databases of a run: one PostgreSQL with a database for each purpose, and an SQLite file each for product and
peers.
"""

import json
import os
import subprocess
import sys
from typing import Any

import psycopg

from tests.support.environment import REPOSITORY, postgres

SECONDS_TO_FILL = 600

# Rows like the product's, with digests and ciphertexts of the same sizes. PostgreSQL generates them itself.
_MORE_KEYS = """
INSERT INTO accounts_user (password, is_superuser, first_name, last_name, is_staff, is_active, date_joined, public_id,
                           email)
SELECT '!', false, '', '', false, true, now(), 'usr_' || substr(md5('u' || n), 1, 16), 'more' || n || '@example.com'
FROM generate_series(1, %(projects)s) n;

INSERT INTO projects_project (public_id, name, created_by_id, created_at)
SELECT 'prj_' || substr(md5('p' || id), 1, 16), 'Project of ' || id, id, now()
FROM accounts_user WHERE email LIKE 'more%%';

INSERT INTO apikeys_apikey (public_id, project_id, created_by_id, name, state, mask, digest, pepper_id, ciphertext,
                            ring_key_id, created_at)
SELECT 'key_' || substr(md5(p.id || 'k' || n), 1, 16), p.id, p.created_by_id, 'Key ' || n, 'active',
       'lk_0000••••••••0000', sha256(gen_random_uuid()::text::bytea), 'k1',
       sha256(gen_random_uuid()::text::bytea) || sha256(gen_random_uuid()::text::bytea) || '\\x000000'::bytea,
       'k1', now()
FROM projects_project p, generate_series(1, 100) n WHERE p.name LIKE 'Project of %%';
"""


def url_of(name: str) -> str:
    return f"{postgres.url.rpartition('/')[0]}/{name}"


def ask(database_url: str, statement: str, parameters: dict[str, Any] | None = None) -> Any:
    """The first value that the statement returns, if it returns rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Several statements in one message need the values in the text, so this uses a client-side cursor.
        cursor = psycopg.ClientCursor(connection).execute(statement, parameters)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def _printed_by(module: str, count: int, database_url: str) -> Any:
    environment = {**os.environ, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", module, str(count)]
    result = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=SECONDS_TO_FILL
    )
    if result.returncode:
        raise RuntimeError(f"{module} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def fill_product(database_url: str, count: int) -> list[str]:
    """Authorization headers of `count` keys."""
    secrets: list[str] = _printed_by("bench.tools.fill", count, database_url)
    return [f"Bearer {secret}" for secret in secrets]


def fill_peers(database_url: str, count: int) -> dict[str, list[str]]:
    """Authorization headers of `count` keys of each peer, by its path."""
    headers: dict[str, list[str]] = _printed_by("bench.peers.fill", count, database_url)
    return headers


def create(name: str, template: str = "template1") -> str:
    """Creates a database and returns its address."""
    ask(url_of("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    return url_of(name)


def add_keys(database_url: str, count: int) -> None:
    ask(database_url, _MORE_KEYS, {"projects": count // 100})


def settle(database_url: str) -> None:
    """Does the work of autovacuum and of the checkpointer now, so that they do not run while something is timed."""
    ask(database_url, "VACUUM ANALYZE")
    ask(database_url, "CHECKPOINT")


def make_durable() -> None:
    """The tests' PostgreSQL does not wait for the disk. Timed databases have to, as in production."""
    configure(fsync="on", synchronous_commit="on", full_page_writes="on")


def configure(**values: str) -> None:
    """Of the whole PostgreSQL, from now on."""
    for name, value in values.items():
        ask(url_of("postgres"), f"ALTER SYSTEM SET {name} = '{value}'")
    ask(url_of("postgres"), "SELECT pg_reload_conf()")
