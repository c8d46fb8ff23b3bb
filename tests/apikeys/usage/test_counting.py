"""Counting is exact: in the end the database's counts equal the answers that the programs received."""

import os
import random
import signal
import time
from collections import Counter
from multiprocessing import get_context

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apikeys import writer_thread
from apikeys.keys import pausing, services
from apikeys.keys.services import create_key
from apikeys.secrets import secret_format
from apikeys.usage import counting, writing
from apikeys.usage.models import KeyUse, ProjectUse, UnmatchedUse
from apikeys.verify.verification import verify
from projects.services import delete_project
from tests.support.environment import ON_SQLITE, postgres
from tests.support.factories import ApiKeyFactory
from tests.support.programs.load import call_all
from tests.support.programs.parallel import in_parallel


@pytest.fixture
def secrets(project, owner):
    """The secret of an active, a paused, a deleted and an unknown key, by outcome."""
    found = {"unknown": secret_format.generate("lk_")}
    for outcome in ("ok", "paused", "deleted"):
        key, found[outcome] = create_key(project=project, name=outcome, by=owner)
        if outcome == "paused":
            pausing.pause_key(key=key, by=owner)
        if outcome == "deleted":
            services.delete_key(key=key, by=owner)
    return found


def counted(span: str = "hour") -> Counter[str]:
    found: Counter[str] = Counter()
    for row in KeyUse.objects.filter(span=span):
        found[row.outcome] += row.calls
    found["unknown"] = sum(row.calls for row in UnmatchedUse.objects.all())
    return found


def answered(calls, secrets) -> Counter[str]:
    """The number of calls for each outcome. With few processors a call may be answered 503, which is not counted."""
    outcome_of = {secret: outcome for outcome, secret in secrets.items()}
    judged = [call for call in calls if call.status != 503]
    assert len(judged) > 0.99 * len(calls)
    assert {(outcome_of[call.secret] == "ok", call.status) for call in judged} <= {(True, 204), (False, 401)}
    return Counter(outcome_of[call.secret] for call in judged)


def until(check, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert check()


@pytest.fixture
def nothing_counted(server):
    """Waits until the shared server has written the counts of earlier tests.

    A process writes all its counts at once. After it has written a call that came later, the earlier counts are
    written, too.
    """
    later = ApiKeyFactory()
    secret = services.copy_secret(key=later, by=None)
    assert server.check(secret).status == 204
    until(lambda: KeyUse.objects.filter(key=later, span="day").exists())
    for model in (UnmatchedUse, KeyUse, ProjectUse):
        model.objects.all().delete()


@pytest.fixture
def clock_that_stands(time_machine):
    """An hour may end between two calls, and they would then be counted separately."""
    time_machine.move_to(timezone.now(), tick=False)


# In processes


def test_four_processes_count_100_000_mixed_calls_exactly(start_server, nothing_counted, project, secrets):
    server = start_server(check_workers=4)
    each = 2_500 if not ON_SQLITE else 250
    mixed = [secrets["ok"], secrets["paused"], secrets["ok"], secrets["unknown"], secrets["deleted"]] * 5
    calls = call_all(server.check_port, [(mixed * each)[: each * 10]] * 4)
    assert len(calls) == each * 40
    expected = answered(calls, secrets)
    until(lambda: counted().total() >= expected.total())
    assert counted() == expected, server.log_text()
    assert counted("day") == {**expected, "unknown": expected["unknown"]}
    refused = {key.name: key.refused_calls for key in project.api_keys.all()}
    assert refused == {"ok": 0, "paused": expected["paused"], "deleted": expected["deleted"]}


def test_a_sigterm_amid_calls_loses_none(start_server, nothing_counted, secrets):
    """T40: the part about counts."""
    # The interval is never reached, so everything is written at the end.
    server = start_server(check_workers=2, USAGE_FLUSH_SECONDS="600")

    def terminate() -> None:
        time.sleep(1)
        os.kill(server.process.pid, signal.SIGTERM)

    mixed = [secrets["ok"], secrets["paused"], secrets["unknown"]]
    calls = call_all(server.check_port, [mixed * 20_000] * 4, amid=terminate)
    server.process.wait(60)
    expected = answered(calls, secrets)
    assert 0 < expected["ok"] < 4 * 20_000, "the signal came during the calls"
    # A connection that ended may have lost one answer that was on its way.
    surplus = counted() - expected
    assert counted() & expected == expected
    assert surplus.total() <= 4


@pytest.mark.skipif(ON_SQLITE, reason="SQLite is a file, not a server that can be away")
def test_calls_are_not_lost_while_the_database_is_away(transactional_db, api_key, caplog):
    counting.record(api_key.pk, "ok", time.time(), "203.0.113.7")
    connection.close()
    postgres.stop("fast")
    try:
        counting.flush()
        counting.record(api_key.pk, "ok", time.time(), "203.0.113.8")
        counting.flush()
    finally:
        postgres.start()
        connection.close()
    assert "usage_not_written" in caplog.text
    counting.flush()
    assert counted()["ok"] == 2
    api_key.refresh_from_db()
    assert api_key.last_used_address == "203.0.113.8"


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
def test_a_project_in_use_is_deleted_and_none_of_its_use_comes_back(transactional_db, project, owner):
    """The writer and the deletion lock the same keys in the same order, so the second one sees the changes of the
    first.
    """
    keys = ApiKeyFactory.create_batch(300, project=project, responsible=owner)
    for key in keys[:20]:
        services.delete_key(key=key, by=owner)

    def write() -> None:
        for _ in range(25):
            now = time.time()
            writing.write([writing.Noted(key.pk, "ok", int(now) // 3600, 1, now, None) for key in keys])

    def delete() -> None:
        time.sleep(0.2)
        delete_project(project=project, by=owner)

    assert in_parallel([write, write, write, delete]) == [None] * 4
    assert not KeyUse.objects.exists()
    assert not ProjectUse.objects.exists()


@pytest.mark.slow
def test_a_forked_process_counts_anew_and_writes_by_itself(transactional_db, api_key):
    counting.record(api_key.pk, "ok", time.time(), None)
    child = os.fork()
    if child == 0:
        is_anew = not counting._notes and writer_thread._thread is None and not counting._lock.locked()
        os._exit(0 if is_anew else 1)
    assert os.waitpid(child, 0)[1] == 0
    counting.flush()
    assert counted()["ok"] == 1


# In memory


pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("clock_that_stands")
def test_each_outcome_is_counted_with_the_last_calls_time_and_address(project, owner, secrets):
    for address in ("203.0.113.7", "203.0.113.8"):
        for secret in secrets.values():
            verify(f"Bearer {secret}", address)
    counting.flush()
    for outcome in ("ok", "paused", "deleted"):
        for row in KeyUse.objects.filter(outcome=outcome):
            assert (row.key.name, row.calls, row.last_address) == (outcome, 2, "203.0.113.8")
            assert row.last_at == timezone.now()
    assert counted() == {"ok": 2, "paused": 2, "deleted": 2, "unknown": 2}
    assert counted("day")["ok"] == 2


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer lk_x", "Basic eDp5"])
def test_a_call_without_a_key_is_counted_by_its_hour_alone(header):
    verify(header, "203.0.113.7")
    counting.flush()
    row = UnmatchedUse.objects.get()
    assert (row.calls, row.starts_at.minute) == (1, 0)
    assert not KeyUse.objects.exists()


def test_a_refusal_for_a_deactivated_creator_is_counted_as_such(api_key, owner):
    owner.is_active = False
    owner.save()
    verify(f"Bearer {api_key.secret}")
    counting.flush()
    assert counted()["forbidden"] == 1
    api_key.refresh_from_db()
    assert (api_key.last_used_at, api_key.refused_calls) == (None, 0)


def test_refused_calls_are_counted_from_the_pause_or_the_deletion_on(api_key, owner):
    def tried(times: int) -> int:
        for number in range(times):
            verify(f"Bearer {api_key.secret}", f"203.0.113.{number}")
        counting.flush()
        api_key.refresh_from_db()
        return api_key.refused_calls

    pausing.pause_key(key=api_key, by=owner)
    assert (tried(2), tried(1)) == (2, 3)
    assert api_key.last_refused_address == "203.0.113.0"
    pausing.resume_key(key=api_key, by=owner)
    pausing.pause_key(key=api_key, by=owner)
    assert (api_key.refused_calls, api_key.last_refused_at) == (0, None)
    assert tried(2) == 2
    services.delete_key(key=api_key, by=owner)
    assert tried(5) == 5


def test_a_refusal_that_is_written_after_the_re_enabling_is_none_of_the_next_pause(api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    verify(f"Bearer {api_key.secret}")
    pausing.resume_key(key=api_key, by=owner)
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.refused_calls == 0
    assert counted()["paused"] == 1


def test_a_projects_use_goes_with_it_and_does_not_come_back(api_key, project, owner):
    verify(f"Bearer {api_key.secret}")
    counting.flush()
    verify(f"Bearer {api_key.secret}")
    delete_project(project=project, by=owner)
    assert not KeyUse.objects.exists()
    verify(f"Bearer {api_key.secret}")
    counting.flush()
    assert not KeyUse.objects.exists()
    assert counted() == {"unknown": 1}


@pytest.mark.usefixtures("clock_that_stands")
def test_memory_is_bounded_and_what_is_dropped_is_said(api_key, monkeypatch, caplog):
    monkeypatch.setattr(counting, "MOST_NOTED", 1)
    other = ApiKeyFactory()
    for key in (api_key, other, api_key, other):
        counting.record(key.pk, "ok", time.time(), None)
    counting.flush()
    assert counted()["ok"] == 2
    assert "usage_dropped" in caplog.text
    assert "'calls': 2" in caplog.text


def test_more_counts_than_one_statement_takes_are_written_in_several(project, owner, monkeypatch):
    monkeypatch.setattr(counting, "MOST_WRITTEN", 2)
    keys = ApiKeyFactory.create_batch(5, project=project, responsible=owner)
    for key in keys:
        counting.record(key.pk, "ok", time.time(), None)
    counting.flush()
    assert counted()["ok"] == 5


@pytest.mark.skipif(ON_SQLITE, reason="SQLite knows no statement that writes to several tables")
def test_a_batch_is_one_message_to_the_database(transactional_db, api_key, django_assert_num_queries):
    counting.record(api_key.pk, "ok", time.time(), None)
    counting.record_unmatched(time.time())
    batch = counting._take()
    with django_assert_num_queries(1):
        writing.write(batch)


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
def test_a_process_that_stands_still_amid_its_writing_holds_no_key_up(transactional_db, api_key):
    """T10, T11: a pause waits at most for the database's work, never for a process that counts."""

    def write() -> None:
        while True:
            writing.write([writing.Noted(api_key.pk, "ok", 0, 1, 0, None)])

    connection.close()  # each thread has its own connection
    writer = get_context("fork").Process(target=write, daemon=True)
    writer.start()
    until(lambda: KeyUse.objects.exists())
    try:
        for _ in range(40):
            time.sleep(random.uniform(0, 0.02))
            os.kill(writer.pid, signal.SIGSTOP)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '60s'")
                cursor.execute("SELECT 1 FROM apikeys_apikey WHERE id = %s FOR NO KEY UPDATE", [api_key.pk])
            os.kill(writer.pid, signal.SIGCONT)
    finally:
        writer.kill()
        writer.join()
