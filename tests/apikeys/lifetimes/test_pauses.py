"""Pauses with an end: they end by themselves, once, and nothing has to run for that."""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import change_end_of_pause, pause_key, resume_key
from apikeys.keys.services import create_key, delete_key, rename_key, report_leak
from apikeys.lifetimes.ends import end_key
from apikeys.lifetimes.pauses import write_down_ended_pauses
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.verify.verification import verify
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory
from tests.support.programs.parallel import in_parallel, rounds_in_parallel

pytestmark = pytest.mark.django_db

ROUNDS = 20 if ON_SQLITE else 60
HOUR = timedelta(hours=1)


def kinds(key):
    """The kinds of the key's events, oldest first."""
    return list(key.events.order_by("at", "pk").values_list("kind", flat=True))


def an_hour_from_now():
    return timezone.now() + HOUR


@pytest.fixture
def lapsed(api_key, owner):
    """A key whose pause has ended by itself, and nobody has written that down."""
    pause_key(key=api_key, by=owner, until=an_hour_from_now(), note="Trying it")
    ended_at = timezone.now() - timedelta(minutes=20)
    ApiKey.objects.filter(pk=api_key.pk).update(
        paused_at=ended_at - HOUR, rehearsal_began_at=ended_at - HOUR, resumes_at=ended_at
    )
    api_key.events.update(at=ended_at - HOUR)
    api_key.refresh_from_db()
    return api_key


def test_a_pause_ends_at_its_instant_with_nothing_that_writes_it_down(api_key, owner):
    """P15: no thread runs here."""
    until = an_hour_from_now()
    pause_key(key=api_key, by=owner, until=until)
    with time_machine.travel(until - timedelta(milliseconds=1), tick=False):
        assert verify(f"Bearer {api_key.secret}").code == "key_paused"
        assert api_key.is_paused
    with time_machine.travel(until, tick=False):
        assert verify(f"Bearer {api_key.secret}").identity
        assert api_key.is_active
    assert kinds(api_key) == ["created", "paused_until"]


def test_the_end_of_a_pause_is_written_down_once_with_its_own_instant(lapsed):
    """P15: "re-enabled by itself"."""
    ended_at = lapsed.resumes_at
    assert [write_down_ended_pauses(timezone.now()) for _ in range(2)] == [1, 0]
    lapsed.refresh_from_db()
    assert (lapsed.state, lapsed.resumes_at, lapsed.pause_note) == (KeyState.ACTIVE, None, "")
    assert lapsed.rehearsal_ended_at == ended_at
    event = lapsed.events.get(kind="resumed_itself")
    assert (event.at, event.by, event.address) == (ended_at, None, None)


def test_a_pause_that_goes_on_is_left_alone(project, owner, api_key):
    pause_key(key=api_key, by=owner, until=an_hour_from_now())
    pause_key(key=create_key(project=project, name="Without end", by=owner).key, by=owner)
    assert write_down_ended_pauses(timezone.now()) == 0
    assert project.api_keys.filter(state=KeyState.PAUSED).count() == 2


def test_so_many_ends_are_written_down_at_once(project):
    ended = [timezone.now() - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
    for at in ended:
        ApiKeyFactory(project=project, state=KeyState.PAUSED, paused_at=at - HOUR, resumes_at=at)
    assert write_down_ended_pauses(timezone.now(), most=2) == 2
    assert list(ApiKey.objects.values_list("resumes_at", flat=True)) == [ended[2], None, None]
    assert write_down_ended_pauses(timezone.now()) == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (pause_key, "paused"),
        (resume_key, None),
        (partial(change_end_of_pause, until=None), None),
        (delete_key, "deleted"),
        (end_key, "ended"),
    ],
    ids=["pause", "resume", "keep paused", "delete", "end"],
)
def test_every_change_first_writes_down_what_time_has_done(lapsed, owner, change, kind):
    assert change(key=lapsed, by=owner) is bool(kind)
    assert kinds(lapsed) == ["created", "paused_until", "resumed_itself", *([kind] if kind else [])]
    lapsed.refresh_from_db()
    assert lapsed.state == {"paused": "paused", "deleted": "deleted", "ended": "ended"}.get(kind or "", "active")


def test_the_end_stands_in_the_activity_where_it_was_although_it_is_written_later(lapsed, owner):
    rename_key(key=lapsed, name="Renamed", by=owner)
    write_down_ended_pauses(timezone.now())
    assert kinds(lapsed) == ["created", "paused_until", "resumed_itself", "renamed"]


def test_a_pause_that_has_lapsed_can_be_repeated_at_once(lapsed, owner):
    until = an_hour_from_now()
    assert pause_key(key=lapsed, by=owner, until=until)
    assert verify(f"Bearer {lapsed.secret}").code == "key_paused"
    assert (lapsed.resumes_at, lapsed.pause_note, lapsed.rehearsal_ended_at) == (until, "", None)


def test_a_report_removes_the_end_of_a_pause(api_key, owner):
    """Nobody would notice it if a reported key worked again by itself."""
    until = an_hour_from_now()
    pause_key(key=api_key, by=owner, until=until, note="Trying it")
    assert report_leak(secret=api_key.secret)
    with time_machine.travel(until + HOUR):
        assert verify(f"Bearer {api_key.secret}").code == "key_paused"
        assert write_down_ended_pauses(timezone.now()) == 0
    assert not change_end_of_pause(key=api_key, by=owner, until=an_hour_from_now())
    api_key.refresh_from_db()
    assert (api_key.is_reported, api_key.resumes_at) == (True, None)


@pytest.mark.parametrize(
    ("note", "code"),
    [("x" * 201, "max_length"), ("a\u202eb", "hidden_characters"), ("lk_" + "a" * 36, "secret")],
    ids=["long", "hidden", "secret"],
)
def test_a_note_that_breaks_the_rule_pauses_nothing(api_key, owner, note, code):
    with pytest.raises(ValidationError) as refusal:
        pause_key(key=api_key, by=owner, until=an_hour_from_now(), note=note)
    assert refusal.value.code == code
    api_key.refresh_from_db()
    assert api_key.is_active


@pytest.mark.parametrize("until", [timedelta(), timedelta(days=3651)], ids=["over", "far"])
def test_an_end_that_cannot_be_pauses_nothing(api_key, owner, until):
    with pytest.raises(ValidationError):
        pause_key(key=api_key, by=owner, until=timezone.now() + until)
    assert kinds(api_key) == ["created"]


# At once


@pytest.mark.django_db(transaction=True)
def test_an_end_is_written_down_once_by_all_who_notice_it(transactional_db, lapsed, owner):
    """P15"""
    copies = [ApiKey.objects.get() for _ in range(4)]
    in_parallel(
        [partial(write_down_ended_pauses, timezone.now())] * 3
        + [partial(resume_key, key=copies[0], by=owner), partial(pause_key, key=copies[1], by=owner)]
        + [partial(change_end_of_pause, key=copy, by=owner, until=None) for copy in copies[2:]]
    )
    assert kinds(lapsed).count("resumed_itself") == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_keep_a_key_paused_write_one_event(transactional_db, api_key, owner):
    pause_key(key=api_key, by=owner, until=an_hour_from_now())
    keep = [partial(change_end_of_pause, key=ApiKey.objects.get(), by=owner, until=None) for _ in range(4)]
    assert sorted(in_parallel(keep)) == [False, False, False, True]
    assert kinds(api_key) == ["created", "paused_until", "pause_changed"]


@pytest.mark.django_db(transaction=True)
def test_a_timed_pause_never_brings_a_deleted_key_back(transactional_db, project, owner):
    keys = ApiKeyFactory.create_batch(ROUNDS, project=project)
    until = an_hour_from_now()
    rounds = [
        [
            partial(delete_key, key=ApiKey.objects.get(pk=key.pk), by=owner),
            partial(pause_key, key=ApiKey.objects.get(pk=key.pk), by=owner, until=until, note="Trying it"),
        ]
        for key in keys
    ]
    for deletion, other in rounds_in_parallel(rounds):
        assert deletion is True
        assert other is True or isinstance(other, KeyGone)
    assert not ApiKey.objects.exclude(state=KeyState.DELETED, resumes_at=None, pause_note="").exists()
