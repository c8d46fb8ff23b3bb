"""How answers are held back: only while processes keep rows, once a request, and never by all threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from apikeys.api.report import TAKEN_BUT_BUSY
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import create_key, delete_key
from apikeys.leases import clocks, held_answers
from apikeys.leases.models import LeaseRegistration
from apikeys.models import ApiKey
from common.slow_clients.slots import threads
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(project, owner):
    return create_key(project=project, name="Key", by=owner).key


@pytest.fixture(autouse=True)
def nothing_seen_before(monkeypatch):
    monkeypatch.setattr(held_answers, "_was_registered", False)


def seconds_of(act):
    began = clocks.now()
    act()
    return clocks.now() - began


def test_the_answer_comes_after_the_lease_of_every_row_from_before(leased, key, owner):
    assert seconds_of(lambda: pause_key(key=key, by=owner)) >= clocks.HELD_SECONDS


def test_the_time_begins_with_the_commit(leased, key, owner):
    with held_answers.one_answer():
        with transaction.atomic():
            pause_key(key=key, by=owner)
            time.sleep(clocks.HELD_SECONDS)
        began = clocks.now()
    assert clocks.now() - began >= clocks.HELD_SECONDS


def test_what_is_so_already_is_answered_as_late(leased, key, owner):
    """The change before it may have been committed just now, and wait for its own answer."""
    pause_key(key=key, by=owner)
    assert seconds_of(lambda: pause_key(key=key, by=owner)) >= clocks.HELD_SECONDS
    with held_answers.one_answer():
        assert not pause_key(key=key, by=owner)
        began = clocks.now()
    assert clocks.now() - began >= clocks.HELD_SECONDS


def test_a_change_that_is_taken_back_holds_nothing(leased, key, owner):
    with transaction.atomic():
        pause_key(key=key, by=owner)
        transaction.set_rollback(True)
    assert not connection.run_on_commit


def test_nobody_waits_where_nobody_keeps_rows(key, owner, monkeypatch):
    monkeypatch.setattr(held_answers.time, "sleep", lambda seconds: pytest.fail("it waited"))
    pause_key(key=key, by=owner)


def test_nobody_waits_for_what_gives_access(leased, key, owner, monkeypatch):
    pause_key(key=key, by=owner)
    monkeypatch.setattr(held_answers.time, "sleep", lambda seconds: pytest.fail("it waited"))
    resume_key(key=key, by=owner)
    create_key(project=key.project, name="New", by=owner)


def test_a_database_that_cannot_be_asked_counts_as_registered(leased, key, owner, monkeypatch):
    """The change is committed. Only the question after it fails."""
    table = LeaseRegistration._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        assert seconds_of(lambda: pause_key(key=key, by=owner)) >= clocks.HELD_SECONDS
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")
    assert ApiKey.objects.get(pk=key.pk).is_paused


def test_a_request_with_many_changes_waits_once(leased, key, owner, monkeypatch):
    keys = [key, *ApiKeyFactory.create_batch(4, project=key.project, responsible=owner)]
    waits = []
    real = time.sleep
    monkeypatch.setattr(held_answers.time, "sleep", lambda seconds: waits.append(seconds) or real(seconds))
    with held_answers.one_answer():
        for each in keys:
            delete_key(key=each, by=owner)
        assert waits == []
    assert sum(waits) <= clocks.HELD_SECONDS * 2


def test_a_page_is_answered_after_the_lease(leased, key, owner, signed_in):
    client = signed_in(owner)
    path = f"/projects/{key.project.public_id}/keys/{key.public_id}/pause/"
    assert seconds_of(lambda: client.post(path)) >= clocks.HELD_SECONDS
    assert ApiKey.objects.get(pk=key.pk).is_paused


@pytest.mark.parametrize("is_known", [True, False])
def test_a_report_is_answered_after_the_lease_whether_or_not_there_is_such_a_key(
    leased, project, owner, client, is_known
):
    """T34"""
    new = create_key(project=project, name="Found", by=owner)
    secret = new.secret if is_known else "lk_" + "x" * 40

    def report():
        answer = client.post("/api/v1/report", {"secret": secret}, content_type="application/json")
        assert answer.status_code == 202

    assert seconds_of(report) >= clocks.HELD_SECONDS


def held_by(slots, *holders):
    """Takes slots for the holders until none gets another, as their requests in other threads do; returns what gives
    them back.
    """
    taken = []
    while any(got := [who for who in holders if slots.take(who)]):
        taken += got

    def give_back():
        for who in taken:
            slots.give_back(who)

    return give_back


def held_by_many(slots):
    return held_by(slots, *(f"account {number}" for number in range(threads())))


def test_a_change_beyond_the_slots_is_refused_and_changes_nothing(leased, key, owner, signed_in, project):
    client = signed_in(owner)
    pause_key(key=create_key(project=project, name="Other", by=owner).key, by=owner)  # a change has met a registration
    give_back = held_by_many(held_answers.CHANGES)
    try:
        answer = client.post(f"/projects/{project.public_id}/keys/{key.public_id}/pause/")
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert held_answers.MESSAGE in answer.text
        assert not ApiKey.objects.get(pk=key.pk).is_paused
    finally:
        give_back()
    assert client.post(f"/projects/{project.public_id}/keys/{key.public_id}/pause/").status_code == 302
    assert ApiKey.objects.get(pk=key.pk).is_paused


def test_reports_beyond_their_slots_are_taken_and_keep_nobody_from_pausing(leased, project, owner, client, signed_in):
    new, other = (
        create_key(project=project, name="Found", by=owner),
        create_key(project=project, name="O", by=owner).key,
    )
    pause_key(key=create_key(project=project, name="Other", by=owner).key, by=owner)
    give_back = held_by_many(held_answers.REPORTS)
    try:
        answers = [
            client.post("/api/v1/report", {"secret": secret}, content_type="application/json")
            for secret in (new.secret, "lk_nothing")
        ]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert {answer.json()["error"]["message"] for answer in answers} == {TAKEN_BUT_BUSY}
        assert ApiKey.objects.get(pk=new.key.pk).is_reported, "nobody can keep reports out"
        path = f"/projects/{project.public_id}/keys/{other.public_id}/pause/"
        assert signed_in(owner).post(path).status_code == 302
    finally:
        give_back()


def test_slots_are_given_back(leased, project, owner, signed_in):
    client = signed_in(owner)
    for number in range(2 * threads()):
        key = create_key(project=project, name=f"Key {number}", by=owner).key
        assert client.post(f"/projects/{project.public_id}/keys/{key.public_id}/pause/").status_code == 302


def test_as_many_threads_as_there_are_slots_wait_at_once(leased, project, owner):
    """Each of them has its own connection, as in a server."""
    keys = [create_key(project=project, name=f"Key {number}", by=owner).key for number in range(6)]
    pause_key(key=keys.pop(), by=owner)
    inside, most, lock = 0, 0, threading.Lock()

    def pause(key):
        nonlocal inside, most
        try:
            with held_answers.one_answer(lambda: key.name):
                pause_key(key=key, by=owner)
                with lock:
                    inside += 1
                    most = max(most, inside)
            with lock:
                inside -= 1
            return True
        except held_answers.TooManyHeld:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(keys)) as pool:
        done = list(pool.map(pause, keys))
    assert most <= threads() // 2
    assert [ApiKey.objects.get(pk=key.pk).is_paused for key in keys] == done
