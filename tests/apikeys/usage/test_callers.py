"""The addresses that use a key are counted in memory, within bounds, and written with its usage."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.usage import caller_bounds, callers, counting, writing
from apikeys.usage.figures import with_figures
from apikeys.usage.models import KeyCaller
from apikeys.verify.verification import verify
from projects.services import delete_project
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(time_machine):
    """It stands, so that no day and no rehearsal ends during a test."""
    time_machine.move_to(NOON, tick=False)
    caller_bounds.begin_anew()
    return time_machine


def use(key, *addresses, outcome="ok", at=None):
    for address in addresses:
        counting.record(key.pk, outcome, (at or timezone.now()).timestamp(), address)


def listed(found: callers.Callers) -> list[tuple[str, int, int]]:
    return [(caller.address, caller.allowed, caller.rejected) for caller in found.all]


def test_each_address_of_a_key_is_counted_by_day_with_its_first_and_last_time(api_key):
    use(api_key, "198.51.100.7", at=NOON - timedelta(days=1))
    use(api_key, "198.51.100.7", "203.0.113.9", at=NOON - timedelta(minutes=9))
    use(api_key, "198.51.100.7", outcome="paused")
    counting.flush()
    first, second = callers.used_from(api_key).rows
    assert first == ("198.51.100.7", 2, 1, NOON - timedelta(days=1), NOON)
    assert second == ("203.0.113.9", 1, 0, NOON - timedelta(minutes=9), NOON - timedelta(minutes=9))
    assert KeyCaller.objects.count() == 3
    assert not callers.used_from(api_key).is_incomplete


def test_many_keys_have_their_callers_by_one_query_each_since_its_own_instant(project, django_assert_num_queries):
    one, other = ApiKeyFactory.create_batch(2, project=project)
    for key in (one, other):
        use(key, "198.51.100.7", at=NOON - timedelta(days=2))
        use(key, "198.51.100.7", "198.51.100.7", at=NOON - timedelta(hours=1))
        use(key, "203.0.113.9", at=NOON - timedelta(hours=5))
    counting.flush()
    with django_assert_num_queries(1):
        found = callers.used_since({one.pk: NOON - timedelta(hours=2), other.pk: NOON - timedelta(days=3)})
    assert listed(found[one.pk]) == [("198.51.100.7", 2, 0)]
    assert listed(found[other.pk]) == [("198.51.100.7", 3, 0), ("203.0.113.9", 1, 0)]
    assert callers.used_since({}) == {}


def test_an_address_is_listed_only_if_it_was_used_in_the_time_that_is_asked_for(api_key):
    use(api_key, "198.51.100.7", at=NOON - timedelta(days=7))
    use(api_key, "198.51.100.8", at=NOON - timedelta(days=6))
    use(api_key, "198.51.100.9", at=NOON - timedelta(minutes=2))
    counting.flush()
    assert listed(callers.used_from(api_key, days=7)) == [("198.51.100.9", 1, 0), ("198.51.100.8", 1, 0)]
    assert listed(callers.used_from(api_key, since=NOON - timedelta(minutes=3))) == [("198.51.100.9", 1, 0)]


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", ""),
        (None, ""),
    ],
)
def test_an_ipv6_address_is_stored_as_its_network_and_an_unreadable_one_not_at_all(address, stored):
    assert caller_bounds.caller_of(address) == stored


def test_requests_with_an_address_that_cannot_be_read_make_the_list_incomplete(api_key):
    use(api_key, None, "198.51.100.7", "2001:db8::1", "2001:db8::2")
    counting.flush()
    found = callers.used_from(api_key)
    assert listed(found) == [("198.51.100.7", 1, 0), ("2001:db8::/64", 2, 0), ("", 1, 0)]
    assert (found.is_incomplete, found.calls) == (True, 4)


def test_requests_from_before_addresses_were_stored_make_the_list_incomplete(api_key):
    use(api_key, "198.51.100.7", "198.51.100.8", at=NOON - timedelta(days=2))
    counting.flush()
    KeyCaller.objects.all().delete()
    use(api_key, "198.51.100.7")
    counting.flush()
    key = with_figures([api_key])[0]
    assert callers.used_from(key, days=2).before == 0
    found = callers.used_from(key, days=7)
    assert (found.before, found.is_incomplete, len(found.rows)) == (2, True, 1)


# Bounds


def test_any_number_of_addresses_leaves_fifty_and_every_request_is_counted(api_key):
    """L6: with smaller numbers; docs/scaling.md has the full ones."""
    for number in range(2_000):
        use(api_key, f"10.0.{number // 250}.{number % 250}")
        if number % 100 == 99:
            counting.flush()
    found = callers.used_from(api_key)
    assert (len(found.rows), found.calls, found.is_incomplete) == (50, 2_000, True)
    assert (len(caller_bounds._known), caller_bounds._waiting) == (50, 0)


def test_between_two_writes_at_most_eight_addresses_are_new(api_key):
    addresses = [f"198.51.100.{number}" for number in range(12)]
    use(api_key, *addresses)
    counting.flush()
    assert listed(callers.used_from(api_key))[-1] == ("", 4, 0)
    assert len(callers.used_from(api_key).rows) == 8
    use(api_key, *addresses)
    counting.flush()
    assert len(callers.used_from(api_key).rows) == 12
    assert callers.used_from(api_key).others.calls == 4


@pytest.mark.parametrize("bound", ["MOST_KNOWN", "MOST_WAITING"])
def test_one_bound_holds_for_all_keys_together(project, monkeypatch, bound):
    monkeypatch.setattr(caller_bounds, bound, 3)
    keys = ApiKeyFactory.create_batch(4, project=project)
    for key in keys:
        use(key, "198.51.100.7")
    counting.flush()
    assert [listed(callers.used_from(key))[0][0] for key in keys] == ["198.51.100.7"] * 3 + [""]
    use(keys[3], "198.51.100.7")
    counting.flush()
    assert listed(callers.used_from(keys[3])) == [("198.51.100.7", 1, 0), ("", 1, 0)]


def test_many_addresses_are_written_in_several_batches(project, monkeypatch):
    monkeypatch.setattr(counting, "MOST_CALLERS_WRITTEN", 3)
    keys = ApiKeyFactory.create_batch(4, project=project)
    for key in keys:
        use(key, "198.51.100.7", "198.51.100.8")
    counting.flush()
    assert [callers.used_from(key).calls for key in keys] == [2] * 4


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
def test_processes_that_write_at_once_leave_fifty_addresses_and_lose_no_request(transactional_db, api_key):
    numbers, now = count(), NOON.timestamp()

    def five_new() -> writing.Noted:
        new = {f"10.0.0.{next(numbers)}": [1, now, now] for _ in range(5)}
        return writing.Noted(api_key.pk, "ok", int(now) // 3600, 5, now, None, new)

    batches = [five_new() for _ in range(40)]

    def write(mine) -> None:
        for noted in mine:
            writing.write([noted])

    assert in_parallel([lambda mine=batches[start::4]: write(mine) for start in range(4)]) == [None] * 4
    found = callers.used_from(api_key)
    assert (len(found.rows), found.calls) == (50, 200)


def test_a_batch_that_could_not_be_written_is_written_later_with_its_addresses(api_key, monkeypatch):
    use(api_key, "198.51.100.7", "198.51.100.8")
    write = writing.write

    def fail(batch):
        use(api_key, "198.51.100.8", "198.51.100.9")  # these come while the others are at hand
        raise OperationalError

    monkeypatch.setattr(writing, "write", fail)
    counting.flush()
    monkeypatch.setattr(writing, "write", write)
    counting.flush()
    found = callers.used_from(api_key)
    assert listed(found) == [("198.51.100.7", 1, 0), ("198.51.100.8", 2, 0), ("198.51.100.9", 1, 0)]


# Keys that are gone


def test_a_deleted_key_keeps_its_addresses_and_a_deleted_project_none(api_key, project, owner):
    use(api_key, "198.51.100.7")
    services.delete_key(key=api_key, by=owner)
    use(api_key, "198.51.100.7", outcome="deleted")
    counting.flush()
    assert listed(callers.used_from(api_key)) == [("198.51.100.7", 1, 1)]
    use(api_key, "198.51.100.7", outcome="deleted")
    delete_project(project=project, by=owner)
    counting.flush()
    assert not KeyCaller.objects.exists()


# Rehearsals


def rehearse(key, owner, minutes=5):
    assert pausing.pause_key(key=key, by=owner, until=timezone.now() + timedelta(minutes=minutes))


def missed(key):
    return callers.missed_by_key([key])[key.pk]


def test_a_rehearsal_has_counters_of_its_own(api_key, owner, clock):
    verify(f"Bearer {api_key.secret}", "198.51.100.7")
    counting.flush()
    clock.shift(60)
    rehearse(api_key, owner)
    for address, calls in Counter({"198.51.100.7": 3, "203.0.113.9": 1}).items():
        for _ in range(calls):
            clock.shift(1)
            verify(f"Bearer {api_key.secret}", address)
    counting.flush()
    assert listed(missed(api_key)) == [("203.0.113.9", 0, 1), ("198.51.100.7", 0, 3)]
    assert listed(callers.used_from(api_key)) == [("203.0.113.9", 0, 1), ("198.51.100.7", 1, 3)]
    assert missed(api_key).rejected == 4


def test_what_is_written_after_a_rehearsal_still_counts_for_it(api_key, owner, clock):
    rehearse(api_key, owner)
    clock.shift(1)
    verify(f"Bearer {api_key.secret}", "198.51.100.7")
    clock.shift(1)
    pausing.resume_key(key=api_key, by=owner)
    counting.flush()
    assert missed(api_key).rejected == 1


def test_a_batch_that_began_in_the_rehearsal_is_not_lost_when_the_key_is_kept_paused(api_key, owner, clock):
    """The counts wait in the process while somebody presses Keep paused, and more requests come after it."""
    rehearse(api_key, owner)
    clock.shift(1)
    verify(f"Bearer {api_key.secret}", "198.51.100.7")
    clock.shift(1)
    api_key.refresh_from_db()
    pausing.change_end_of_pause(key=api_key, until=None, by=owner)
    clock.shift(1)
    verify(f"Bearer {api_key.secret}", "198.51.100.7")
    counting.flush()
    assert [caller.address for caller in missed(api_key).rows] == ["198.51.100.7"]


def test_after_a_rehearsal_nothing_more_counts_for_it(api_key, owner, clock):
    def try_it():
        clock.shift(1)
        verify(f"Bearer {api_key.secret}", "198.51.100.7")
        counting.flush()
        api_key.refresh_from_db()

    pausing.pause_key(key=api_key, by=owner)
    try_it()  # a pause without an end is no rehearsal
    pausing.resume_key(key=api_key, by=owner)
    rehearse(api_key, owner)
    clock.shift(5 * 60)
    try_it()  # it works again by itself
    pausing.pause_key(key=api_key, by=owner)
    try_it()
    pausing.resume_key(key=api_key, by=owner)
    assert missed(api_key).rejected == 0
    rehearse(api_key, owner)
    try_it()
    pausing.change_end_of_pause(key=api_key, until=None, by=owner)
    try_it()  # it is kept paused
    assert missed(api_key).rejected == 1
    pausing.resume_key(key=api_key, by=owner)
    rehearse(api_key, owner)
    services.report_leak(secret=api_key.secret)
    try_it()
    assert missed(api_key).rejected == 0


def test_the_last_rehearsals_of_many_keys_are_read_by_one_query(project, owner, django_assert_num_queries):
    keys = ApiKeyFactory.create_batch(3, project=project)
    for key in keys[:2]:
        rehearse(key, owner)
        use(key, "198.51.100.7", outcome="paused")
    counting.flush()
    with django_assert_num_queries(1):
        found = callers.missed_by_key(keys)
    assert [found[key.pk].rejected for key in keys] == [1, 1, 0]


# Deletion


def forgotten(now: datetime) -> int:
    return sum(callers.forget_old_callers(now))


def test_addresses_are_deleted_after_their_days(api_key, owner, settings):
    settings.CALLER_DAYS = 3
    rehearse(api_key, owner)
    for days in range(5):
        use(api_key, "198.51.100.7", at=NOON - timedelta(days=days))
    use(api_key, "198.51.100.7", outcome="paused")
    counting.flush()
    assert forgotten(NOON) == 2
    assert callers.used_from(api_key).allowed == 3
    assert missed(api_key).rejected == 1
    assert forgotten(NOON + timedelta(days=4)) == 4
    assert not KeyCaller.objects.exists()


def test_without_days_no_address_is_stored_and_rehearsals_are_counted_as_sums(api_key, owner, settings):
    use(api_key, "198.51.100.6")
    counting.flush()
    settings.CALLER_DAYS = 0
    use(api_key, "198.51.100.7")
    rehearse(api_key, owner)
    use(api_key, "198.51.100.7", "198.51.100.8", outcome="paused")
    counting.flush()
    assert forgotten(NOON) == 1
    assert listed(missed(api_key)) == [("", 0, 2)]
    assert KeyCaller.objects.count() == 1
    assert forgotten(NOON + timedelta(days=3)) == 1


def test_old_addresses_are_deleted_in_small_statements(api_key, monkeypatch):
    monkeypatch.setattr(callers, "ROWS_A_STATEMENT", 2)
    use(api_key, *(f"198.51.100.{number}" for number in range(5)))
    counting.flush()
    assert list(callers.forget_old_callers(NOON + timedelta(days=31))) == [2, 2, 1]


# The check


def test_the_check_asks_no_more_than_its_one_query(api_key, django_assert_num_queries):
    """L5: the part about queries."""
    connection.ensure_connection()
    for address in ("198.51.100.7", "198.51.100.8", "2001:db8::1"):
        with django_assert_num_queries(1 if ON_SQLITE else 0):  # the prepared statement passes Django's log by
            assert verify(f"Bearer {api_key.secret}", address).identity
