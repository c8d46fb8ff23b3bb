"""Latchkey behind a real PgBouncer, which rejects the startup parameter `options`."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from apikeys.keys import pausing
from apikeys.leases import clocks, kept_rows, registration
from apikeys.models import ApiKey
from apikeys.verify import prepared_lookup
from apikeys.verify.verification import verify
from common.postgresql.base import LIMITS, OPTIONS_LOST, DatabaseWrapper
from config.environment import database_url
from config.monitoring import readiness
from projects.models import Project
from tests.support.environment import DATA_DIR, ON_SQLITE, REPOSITORY
from tests.support.programs.pgbouncer import pgbouncer
from tests.support.programs.postgres import free_port

pytestmark = [
    pytest.mark.skipif(ON_SQLITE, reason="SQLite has no pooler"),
    pytest.mark.usefixtures("transactional_db"),
]

THREADS, CHECKS = 8, 25
ASKS = "from projects.models import Project; Project.objects.count()"


@pytest.fixture
def behind(monkeypatch) -> Callable:
    """`with behind("session"):` connects Django through a PgBouncer in that mode."""
    monkeypatch.setattr(DatabaseWrapper, "limits", LIMITS)
    monkeypatch.setattr(readiness, "_settled", set())

    @contextmanager
    def go_through(mode: str, **options: str) -> Iterator[None]:
        direct = connection.settings_dict["PORT"]
        with pgbouncer(mode, **options) as port:
            connection.close()
            connection.settings_dict["PORT"] = port
            try:
                yield
            finally:
                connection.close()
                connection.settings_dict["PORT"] = direct

    return go_through


@pytest.fixture
def role_limits() -> Iterator[Callable[[str], None]]:
    """Gives the role its limits, with the statements of the startup message. The test removes them at its end."""

    def run(message: str) -> None:
        statements = message.partition("Run: ")[2].partition(" Then")[0]
        assert statements.count("ALTER ROLE") == 2
        with connection.cursor() as cursor:
            cursor.execute(statements)

    yield run
    with connection.cursor() as cursor:
        for name in LIMITS:
            cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {connection.settings_dict['NAME']} RESET {name}")


@pytest.fixture
def leasing(settings) -> Iterator[None]:
    settings.VERDICT_LEASE = True
    yield
    registration.forget()
    kept_rows.forget_all()


def limits_of(database: Any) -> dict[str, int]:
    found = {}
    with database.cursor() as cursor:
        for name in LIMITS:
            cursor.execute("SELECT setting FROM pg_settings WHERE name = %s", [name])
            found[name] = int(cursor.fetchone()[0])
    return found


def check_from_many(secret: str) -> list:
    """Verdicts of several threads at once, each with its own connection."""
    together = threading.Barrier(THREADS)

    def check() -> list:
        together.wait()
        try:
            return [verify(f"Bearer {secret}") for _ in range(CHECKS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return [verdict for future in [pool.submit(check) for _ in range(THREADS)] for verdict in future.result()]


def test_in_session_mode_the_limits_hold_without_being_told(behind):
    with behind("session"):
        assert limits_of(connection) == LIMITS
        assert readiness.problem() is None


def test_in_session_mode_the_lookup_stays_prepared(behind, api_key):
    with behind("session"):
        for _ in range(3):
            assert verify(f"Bearer {api_key.secret}").identity
        assert prepared_lookup._lines[connection.connection].keeps_statements


def test_in_transaction_mode_the_start_says_which_statements_make_the_limits_hold(behind, role_limits):
    """A statement that sets a limit reaches only one of the pooler's connections."""
    with behind("transaction"):
        said = readiness.problem()
        assert said is not None
        assert said.startswith("DATABASE_URL: a pooler in transaction mode loses the time limits.")
        assert readiness.refusal() == said
    role_limits(said)
    with behind("transaction"):
        assert readiness.problem() is None
        for other in [connection.copy() for _ in range(6)]:
            try:
                assert limits_of(other) == LIMITS
            finally:
                other.close()


def test_in_transaction_mode_a_lock_is_not_waited_for_longer_than_the_limit(behind, role_limits, api_key):
    with behind("transaction"):
        said = readiness.problem()
    role_limits(said)
    holder = connection.copy()
    with holder.cursor() as theirs:
        theirs.execute("BEGIN; LOCK TABLE apikeys_apikey IN ACCESS EXCLUSIVE MODE")
    try:
        with behind("transaction"), pytest.raises(OperationalError, match="lock timeout"):
            ApiKey.objects.get()
    finally:
        holder.close()


def test_in_transaction_mode_every_check_is_answered_without_a_prepared_statement(behind, api_key):
    """PgBouncer before 1.21 loses prepared statements. Later versions keep them only if configured to."""
    with behind("transaction"):
        verdicts = check_from_many(api_key.secret)
    assert len(verdicts) == THREADS * CHECKS
    assert all(verdict.identity for verdict in verdicts), {verdict.code for verdict in verdicts}


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_with_the_lease_a_pause_holds_for_every_check_after_its_answer(behind, leasing, api_key, owner, mode):
    """Threads check the key all the time; the pause is answered once no process can judge a row from before."""
    allowed: list[float] = []
    is_over = threading.Event()

    def check() -> None:
        while not is_over.is_set():
            began = clocks.now()
            if verify(f"Bearer {api_key.secret}").identity:
                allowed.append(began)
        connection.close()

    with behind(mode), ThreadPoolExecutor(THREADS) as pool:
        registration.renew()
        checking = [pool.submit(check) for _ in range(THREADS)]
        try:
            while not kept_rows.number():
                is_over.wait(0.01)
            pausing.pause_key(key=api_key, by=owner)
            answered_at = clocks.now()
            assert verify(f"Bearer {api_key.secret}").code == "key_paused"
        finally:
            is_over.set()
        for each in checking:
            each.result()
    assert allowed
    assert max(allowed) < answered_at


def test_in_transaction_mode_pages_and_changes_work(behind, client, project, owner, signed_in):
    with behind("transaction"):
        browser = signed_in(owner)
        path = f"/projects/{project.public_id}/settings/"
        assert browser.post(path, {"name": "Behind a pooler"}).status_code == 302
        assert b"Behind a pooler" in browser.get(path).content


def test_options_that_a_pooler_would_drop_are_named(behind, monkeypatch):
    """With ignore_startup_parameters = options, PgBouncer accepts the connection and ignores the options."""
    with behind("session", ignores="options"):
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-csearch_path=public")
        assert "options do not pass a connection pooler" in readiness.problem()
        assert "options do not pass a connection pooler" in readiness.refusal()


@pytest.mark.parametrize(
    "command",
    [["migrate"], ["createproject", "Another", "--owner=owner@example.com"], ["shell", "-c", ASKS], ["serve"]],
)
def test_no_command_works_in_another_schema_because_a_pooler_drops_the_options(owner, command):
    """They end in one line, before they have read or written anything."""
    settings = connection.settings_dict
    with pgbouncer("session", ignores="options") as port:
        address = f"postgresql://{settings['USER']}@127.0.0.1:{port}/{settings['NAME']}?options=-csearch_path%3Dother"
        ports = {"PORT": str(free_port()), "CHECK_PORT": str(free_port())}
        environment = {**os.environ, **ports, "DATABASE_URL": address, "STATIC_ROOT": f"{DATA_DIR}/static"}
        asked = [sys.executable, "manage.py", *command]
        ended = subprocess.run(asked, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(OPTIONS_LOST)
    assert "Traceback" not in ended.stderr
    assert Project.objects.count() == 0


def test_options_that_a_pooler_refuses_are_named(behind, monkeypatch):
    with behind("session"):
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-csearch_path=public")
        assert "unsupported startup parameter" in readiness.problem()


def test_options_tls_and_several_hosts_are_honoured():
    """The first host is a port on which nothing listens. PostgreSQL's own message shows that TLS was requested."""
    settings = connection.settings_dict
    address = f"postgresql://{settings['USER']}@127.0.0.1:1,127.0.0.1:{settings['PORT']}/{settings['NAME']}"
    options = "options=-csearch_path%3Dpg_catalog&target_session_attrs=read-write"
    other = connection.copy()
    other.settings_dict |= database_url.parse(f"{address}?{options}")
    with other.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("pg_catalog",)
    other.close()
    other.settings_dict |= database_url.parse(f"{address}?sslmode=require")
    with pytest.raises(OperationalError, match="does not support SSL"):
        other.ensure_connection()
