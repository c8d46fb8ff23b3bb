"""When an old key is quiet, its end, and the emails of a roll."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.keys import pausing
from apikeys.lifetimes.models import KeyNotice
from apikeys.lifetimes.quiet import end_quiet_keys, quiet_of, send_roll_notices
from apikeys.lifetimes.rolling import Overlap, extend_overlap, roll_key
from apikeys.models import ApiKey
from apikeys.usage.models import KeyUse
from apikeys.verify.verification import verify
from projects.audit_log.models import AuditEvent
from projects.models import Membership
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def rolled(api_key, owner):
    """Rolls `api_key` and moves the roll into the past."""

    def roll(overlap: Overlap = Overlap.QUIET, *, ago: timedelta = timedelta()) -> ApiKey:
        new = roll_key(key=api_key, overlap=overlap, by=owner).key
        ApiKey.objects.filter(pk=new.pk).update(created_at=new.created_at - ago)
        ApiKey.objects.filter(pk=api_key.pk).update(expires_at=api_key.expires_at - ago)
        AuditEvent.objects.update(at=timezone.now() - ago)
        api_key.refresh_from_db()
        return api_key

    return roll


def use(key: ApiKey, *ago: timedelta, outcome: str = "ok") -> None:
    """Requests so long ago, as the writer of counts notes them."""
    for each in ago:
        at = timezone.now() - each
        hour = at.replace(minute=0, second=0, microsecond=0)
        KeyUse.objects.create(key=key, span="hour", starts_at=hour, outcome=outcome, calls=1, last_at=at)
    last = timezone.now() - min(ago)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=last, last_used_address="198.51.100.7")
    key.refresh_from_db()


def ended_quiet(key: ApiKey) -> int:
    return key.events.filter(kind="ended_quiet").count()


# What is quiet


def test_a_key_without_requests_is_quiet_24_hours_after_the_roll(rolled):
    """P17"""
    key = rolled(ago=DAY)
    now = timezone.now()
    assert end_quiet_keys(now - HOUR) == 0
    assert end_quiet_keys(now) == 1
    assert verify(f"Bearer {key.secret}").code == "key_expired"
    key.refresh_from_db()
    assert (key.state, key.end_reason, key.ends_when_quiet) == ("ended", "rolled", False)


def test_a_key_in_use_is_quiet_24_hours_after_its_last_request(rolled):
    """P17"""
    key = rolled(ago=5 * DAY)
    use(key, *(23 * HOUR + n * HOUR for n in range(100)))
    assert end_quiet_keys(timezone.now()) == 0
    assert end_quiet_keys(timezone.now() + HOUR) == 1


def test_a_weekly_job_is_not_quiet(rolled):
    """P17: twice the longest gap is 14 days."""
    key = rolled(ago=9 * DAY)
    use(key, 10 * DAY, 17 * DAY, 24 * DAY, 31 * DAY)
    assert end_quiet_keys(timezone.now()) == 0
    # It counts from the roll, 9 days ago.
    assert end_quiet_keys(timezone.now() + 4 * DAY) == 0
    assert end_quiet_keys(timezone.now() + 5 * DAY + 2 * HOUR) == 1


def test_a_longer_gap_before_the_last_30_days_does_not_count(rolled):
    key = rolled(ago=2 * DAY)
    use(key, 3 * DAY, 3 * DAY + HOUR, 3 * DAY + 40 * HOUR, 60 * DAY)
    older = ApiKeyFactory(project=key.project, created_at=timezone.now() - 100 * DAY)
    quiet = quiet_of([key, older])[key.pk]
    assert timedelta(hours=74) < quiet.after <= timedelta(hours=78)


def test_a_program_whose_requests_are_rejected_keeps_a_paused_key_from_being_quiet(rolled, owner):
    key = rolled(ago=2 * DAY)
    pausing.pause_key(key=key, by=owner)
    rejected = timezone.now() - HOUR
    ApiKey.objects.update(last_refused_at=rejected)
    key.refresh_from_db()
    assert quiet_of([key])[key.pk].since == rejected
    assert end_quiet_keys(timezone.now()) == 0
    assert end_quiet_keys(timezone.now() + DAY) == 1
    key.refresh_from_db()
    assert (key.is_paused, key.is_expired) == (True, True)


def test_24_more_hours_are_24_hours_although_the_key_is_quiet(rolled, owner):
    """P17"""
    key = rolled(ago=23 * HOUR)
    extend_overlap(key=key, seen=key.expires_at, by=owner)
    assert end_quiet_keys(timezone.now() + 23 * HOUR) == 0
    assert end_quiet_keys(timezone.now() + DAY) == 1


def test_only_keys_that_were_to_end_when_quiet_do(rolled):
    key = rolled(Overlap.WEEK, ago=2 * DAY)
    assert end_quiet_keys(timezone.now()) == 0
    assert not key.is_expired


# Once


def test_a_quiet_key_ends_once_with_one_event_and_one_email(rolled, told, owner):
    """P17"""
    key = rolled(ago=DAY)
    [email] = told(end_quiet_keys, timezone.now())
    assert email.to == [owner.email]
    assert "Old API key expired: Production server (rolled" in email.subject
    assert "was quiet, so it has expired" in email.body
    assert "New key: Production server, " in email.body
    assert told(end_quiet_keys, timezone.now()) == []
    assert told(send_roll_notices, timezone.now()) == []
    assert ended_quiet(key) == 1


def test_an_email_that_cannot_be_noted_leaves_the_key_as_it_was(rolled, monkeypatch):
    key = rolled(ago=DAY)
    monkeypatch.setattr("apikeys.lifetimes.quiet.tell_owners", lambda *words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        end_quiet_keys(timezone.now())
    key.refresh_from_db()
    assert (ended_quiet(key), key.is_expired, KeyNotice.objects.filter(kind="quiet").count()) == (0, False, 0)


# Emails


def test_owners_hear_once_an_hour_before_the_end_of_a_key_in_use(rolled, told):
    """P17"""
    key = rolled(Overlap.DAY)
    use(key, HOUR, 2 * HOUR)
    assert told(send_roll_notices, key.expires_at - HOUR - timedelta(minutes=1)) == []
    # The key was in use during the last day of its overlap as well.
    ApiKey.objects.update(last_used_at=key.expires_at - 3 * HOUR)
    due = key.expires_at - HOUR
    [email] = told(send_roll_notices, due)
    assert "Old API key expires within the hour: Production server (rolled" in email.subject
    assert "from 198.51.100.7" in email.body
    assert "Requests in the last 24 hours: 2" in email.body
    assert told(send_roll_notices, due) == []


def test_nobody_hears_of_the_end_of_a_key_that_no_program_uses(rolled, told):
    key = rolled(Overlap.DAY)
    assert told(send_roll_notices, key.expires_at - HOUR) == []


def test_24_more_hours_arm_the_email_again(rolled, told, owner):
    key = rolled(Overlap.HOUR)
    use(key, HOUR)
    assert len(told(send_roll_notices, timezone.now())) == 1
    extend_overlap(key=key, seen=key.expires_at, by=owner)
    assert told(send_roll_notices, timezone.now()) == []
    ApiKey.objects.update(last_used_at=key.expires_at - 2 * HOUR)
    assert len(told(send_roll_notices, key.expires_at - HOUR)) == 1


def test_owners_hear_once_that_a_key_has_become_quiet(rolled, told):
    """P17"""
    rolled(Overlap.WEEK, ago=DAY)
    assert told(send_roll_notices, timezone.now() - HOUR) == []
    [email] = told(send_roll_notices, timezone.now())
    assert "Old API key is quiet: Production server (rolled" in email.subject
    assert "you can let the old key expire now" in email.body
    assert told(send_roll_notices, timezone.now()) == []


def test_an_owner_can_switch_the_emails_of_a_roll_off(rolled, told):
    rolled(Overlap.WEEK, ago=DAY)
    Membership.objects.update(mail_ending=False)
    assert told(send_roll_notices, timezone.now()) == []
    assert KeyNotice.objects.filter(kind="quiet").count() == 1
