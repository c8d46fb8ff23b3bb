"""What a check does with a kept row, and which rows are kept."""

import os
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import create_key
from apikeys.leases import clocks, kept_rows, registration
from apikeys.leases.models import LeaseRegistration
from apikeys.lifetimes.ends import change_end
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.verify import key_lookup
from apikeys.verify.verification import verify

pytestmark = pytest.mark.django_db(transaction=True)

POST = Asked("POST")


@pytest.fixture
def new(project, owner):
    return create_key(project=project, name="Works", by=owner)


def check(secret, asked=Asked("GET")):  # noqa: B008  it is a constant
    return verify(f"Bearer {secret}", "192.0.2.1", asked)


def twice(secret):
    """Looks the key up twice, so that the second row is kept."""
    while not kept_rows.number():
        check(secret)


@pytest.fixture
def lookups(monkeypatch) -> list[object]:
    """Grows with each lookup. PostgreSQL is asked past Django, so that Django counts no query."""
    found: list[object] = []
    real = key_lookup._look_up

    def look_up(digests):
        found.append(digests)
        return real(digests)

    monkeypatch.setattr(key_lookup, "_look_up", look_up)
    return found


def test_the_next_check_of_a_key_needs_no_lookup(leased, new, lookups):
    for _ in range(20):
        assert check(new.secret).identity.key_id == new.key.public_id
    assert len(lookups) < 20
    assert sum(note[0] for note in counting._notes.values()) == 20, "each is counted"


def test_nothing_is_kept_unless_it_is_asked_for(new):
    check(new.secret)
    assert kept_rows.number() == 0
    assert not LeaseRegistration.objects.exists()


def test_a_row_is_forgotten_when_its_lease_is_over(leased, new, lookups):
    twice(new.secret)
    while clocks.now() < max(until for _, until in kept_rows._entries.values()):
        time.sleep(0.01)
    lookups.clear()
    check(new.secret)
    assert len(lookups) == 1


def test_what_was_rejected_is_not_kept(leased, new, owner):
    pause_key(key=new.key, by=owner)
    assert check(new.secret).code == "key_paused"
    assert check("lk_" + "1" * 36).code == "key_malformed"
    assert kept_rows.number() == 0
    resume_key(key=new.key, by=owner)
    assert check(new.secret).identity


def test_what_a_kept_row_rejects_is_looked_up(leased, new, owner):
    restrict_key(key=new.key, restrictions=Restrictions(read_only=True), by=owner)
    twice(new.secret)
    assert check(new.secret, POST).code == "read_only"
    ApiKey.objects.filter(pk=new.key.pk).update(restrictions=None)  # as somebody who was answered just now
    assert check(new.secret, POST).identity


def test_a_kept_row_is_judged_at_each_use(leased, new, owner):
    """An expiry that comes within the lease, with nobody changing anything."""
    change_end(key=new.key, expires_at=timezone.now() + timedelta(days=1), by=owner)
    twice(new.secret)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert check(new.secret).code == "key_expired"


def test_a_key_that_is_not_asked_for_again_leaves_no_row(leased, new):
    check(new.secret)
    assert kept_rows.number() == 0
    assert [*kept_rows._entries.values()] == [kept_rows._LOOKED_UP]


def test_a_limit_holds_to_the_request(leased, new, owner):
    restrict_key(key=new.key, restrictions=Restrictions(limits=Limits(quota=Limit(5, Window.MONTH))), by=owner)
    assert [check(new.secret).code for _ in range(8)] == [None] * 5 + ["quota_reached"] * 3


def test_a_lookup_within_a_transaction_is_not_kept(leased, new):
    with transaction.atomic():
        assert check(new.secret).identity
    assert kept_rows.number() == 0


def test_no_more_rows_are_kept_than_leased_rows(leased, project, owner, settings):
    settings.LEASED_ROWS = 4
    secrets = [create_key(project=project, name=f"Key {number}", by=owner).secret for number in range(9)]
    for _ in range(3):
        for secret in secrets:
            assert check(secret).identity
            assert len(kept_rows._entries) + len(kept_rows._earlier) <= 4


def test_a_fork_keeps_nothing(leased, new):
    twice(new.secret)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, f"{kept_rows.number()} {registration.asked_at()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"0 None"


def test_a_process_that_cannot_renew_keeps_nothing_any_more(leased, new, monkeypatch):
    twice(new.secret)
    before = registration._believed_until
    monkeypatch.setattr(registration, "_believed_until", clocks.now())
    kept_rows.forget_all()
    assert check(new.secret).identity
    assert kept_rows.number() == 0
    monkeypatch.setattr(registration, "_renewed_at", before - 1000)
    registration.renew()
    twice(new.secret)


def test_the_registration_is_one_row_with_the_latest_instant(leased):
    first = LeaseRegistration.objects.get().until
    registration.forget()
    registration.renew()
    second = LeaseRegistration.objects.get().until
    assert second > first
    ahead = (second - timezone.now()).total_seconds()
    assert clocks.BELIEVED_SECONDS * 2 < ahead <= clocks.REGISTERED_SECONDS + 1


def test_a_shorter_expiry_is_seen(leased, new, owner):
    twice(new.secret)
    change_end(key=new.key, expires_at=timezone.now() + timedelta(days=1), by=owner)
    assert kept_rows.find(b"") is None
    assert check(new.secret).identity.key_expires_at
