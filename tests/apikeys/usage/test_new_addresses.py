"""Owners who choose it get an email when a key is used from an address that is new to it."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from apikeys.keys import services
from apikeys.usage import caller_bounds, counting, new_addresses
from apikeys.usage.models import CallersCompared, KeyCaller
from apikeys.usage.new_addresses import tell_of_new_addresses
from common.outbox.models import Email
from projects.models import Membership
from tests.support.environment import ON_SQLITE
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.django_db

KNOWN, NEW = "198.51.100.7", "203.0.113.9"


def use(key, *addresses, days_ago=0, outcome="ok"):
    for address in addresses:
        counting.record(key.pk, outcome, (timezone.now() - timedelta(days=days_ago)).timestamp(), address)
    counting.flush()


def housekeeping() -> int:
    now = timezone.now()
    told = tell_of_new_addresses(now)
    while timezone.now() < now + timedelta(milliseconds=2):  # SQLite's own clock knows no less
        time.sleep(0.001)
    return told


@pytest.fixture
def used(api_key, monkeypatch):
    """A key that is in use for more than a week, and whose owner wants the email."""
    monkeypatch.setattr(new_addresses, "COMMITTED", timedelta())
    caller_bounds.begin_anew()
    Membership.objects.filter(project=api_key.project).update(mail_new_address=True)
    for days_ago in (9, 8, 1):
        use(api_key, KNOWN, days_ago=days_ago)
    assert housekeeping() == 0, "the first call tells nobody of what was stored before"
    return api_key


def test_owners_are_told_once_of_each_new_address(used, told, owner):
    use(used, KNOWN, NEW, NEW, "2001:db8::1")
    [email] = told(housekeeping)
    assert email.to == [owner.email]
    assert email.subject == f"[Latchkey] API key used from a new address: {used.name} ({used.project.name})"
    assert f"Key: {used.name}, {used.mask}\nAddress: {NEW} (2 requests, first on " in email.body
    assert "Address: 2001:db8::/64 (1 request, first on " in email.body
    assert KNOWN not in email.body
    assert "Compared with: the addresses of the last 30 days" in email.body
    assert "/settings/#mails" in email.body
    KeyCaller.objects.filter(address=NEW).update(starts_at=timezone.now() - timedelta(days=1))
    use(used, NEW, KNOWN)  # as on the day after
    assert told(housekeeping) == []


def test_an_email_says_so_if_addresses_of_the_key_were_counted_together(used, told):
    use(used, None, *(f"203.0.113.{number}" for number in range(8)), outcome="paused")
    use(used, *(f"203.0.113.{number}" for number in range(8, 12)))
    [email] = told(housekeeping)
    assert "Address: 203.0.113.0 (1 request, 1 rejected, first on" in email.body
    assert email.body.count("Address: ") == 10
    assert "More new addresses: 2\n" in email.body
    assert "Incomplete: some addresses of this key were counted together, so it may not be new" in email.body


def test_nobody_is_told_who_did_not_choose_it(used, told, project):
    Membership.objects.filter(project=project).update(mail_new_address=False)
    use(used, NEW)
    assert told(housekeeping) == []
    Membership.objects.filter(project=project).update(mail_new_address=True)
    assert told(housekeeping) == []


def test_nobody_is_told_of_a_key_that_is_in_use_for_less_than_a_week(used, told, project, owner):
    young = services.create_key(project=project, name="Young", by=owner).key
    use(young, KNOWN, days_ago=6)
    assert told(housekeeping) == []
    use(young, NEW)
    assert told(housekeeping) == []


def test_nobody_is_told_while_addresses_are_stored_for_less_than_a_week(used, told):
    """As after an upgrade from a release that stored none."""
    KeyCaller.objects.all().delete()
    use(used, KNOWN)
    assert told(housekeeping) == []


def test_nobody_is_told_of_a_deleted_key(used, told, owner):
    services.delete_key(key=used, by=owner)
    use(used, NEW, outcome="deleted")
    assert told(housekeeping) == []


def test_the_mark_and_the_emails_are_one_transaction(used, told):
    use(used, NEW)
    Email.objects.all().delete()
    with transaction.atomic():
        assert housekeeping() == 1
        assert Email.objects.count() == 1
        transaction.set_rollback(True)  # as if the process was killed before its commit
    assert not Email.objects.exists()
    assert len(told(housekeeping)) == 1
    assert told(housekeeping) == []


def test_what_may_not_be_committed_yet_is_left_to_the_next_call(used, told, monkeypatch):
    use(used, NEW)
    monkeypatch.setattr(new_addresses, "COMMITTED", timedelta(minutes=1))
    assert told(housekeeping) == []
    monkeypatch.setattr(new_addresses, "COMMITTED", timedelta())
    assert len(told(housekeeping)) == 1


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
def test_two_processes_at_once_tell_once(transactional_db, used):
    use(used, NEW)
    now = timezone.now()
    Email.objects.all().delete()
    assert sorted(in_parallel([lambda: tell_of_new_addresses(now)] * 4)) == [0, 0, 0, 1]
    assert Email.objects.count() == 1
    assert CallersCompared.objects.get().until == now
