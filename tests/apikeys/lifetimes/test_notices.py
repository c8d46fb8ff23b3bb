"""The emails before a key's end and at it. The process that sends them is tested with the other housekeeping."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.models import KeyNotice
from apikeys.lifetimes.notices import send_due_notices
from apikeys.models import ApiKey
from apikeys.standing import EndReason
from apikeys.usage import counting
from common.outbox.models import Email
from projects.audit_log.models import AuditEvent
from projects.services import choose_mails, delete_project
from tests.support.people.emails import ALL

pytestmark = pytest.mark.django_db

START = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def clock(time_machine) -> Any:
    time_machine.move_to(START, tick=False)
    return time_machine


@pytest.fixture
def key(clock, project, owner) -> ApiKey:
    """Ends in 30 days, and is used."""
    return new_key(project, "Production server", 30 * DAY)


@pytest.fixture
def due(clock, told):
    """The emails that housekeeping sends at `START + after`."""

    def send(after: timedelta) -> list[Any]:
        clock.move_to(START + after, tick=False)
        return told(send_due_notices, START + after)

    return send


def new_key(project, name: str, life: timedelta, *, used: bool = True) -> ApiKey:
    key = create_key(project=project, name=name, by=project.created_by, expires_at=timezone.now() + life).key
    if used:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now(), last_used_address="203.0.113.7")
    return key


def subjects(emails: list[Any]) -> list[str]:
    return [message.subject.removeprefix("[Latchkey] ") for message in emails]


def test_owners_are_told_a_week_before_a_day_before_and_at_the_end_each_once(key, due):
    """P14 Emails 7 days before, 1 day before, and at the end."""
    about = "Production server (Acme Weather)"
    assert due(23 * DAY - MINUTE) == []
    assert subjects(due(23 * DAY)) == [f"API key expires in 7 days: {about}"]
    assert due(23 * DAY + MINUTE) == []
    assert due(29 * DAY - MINUTE) == []
    assert subjects(due(29 * DAY)) == [f"API key expires in 24 hours: {about}"]
    assert due(30 * DAY - MINUTE) == []
    assert subjects(due(30 * DAY)) == [f"API key expired: {about}"]
    assert due(31 * DAY) == []
    assert AuditEvent.objects.filter(kind="expired", key=key, by=None).count() == 1


def test_the_email_says_when_the_key_ends_and_how_it_is_used(key, due, project):
    now = START + 23 * DAY
    for allowed in (True, True, False):
        counting.record(key.pk, "ok" if allowed else "paused", (now - HOUR).timestamp(), "203.0.113.7")
    counting.flush()
    (message,) = due(23 * DAY)
    url = f"http://localhost:8000/projects/{project.public_id}"
    assert message.to == ["owner@example.com"]
    assert message.body == (
        "An API key expires soon. Requests using it are rejected from then on.\n\n"
        f"Production server, {key.mask}\n"
        "  Expires on 31 March 2027, 09:30 UTC (in 7 days)\n"
        "  Last used 24 March 2027, 08:30 UTC from 203.0.113.7. 3 requests (1 rejected) in the last 24 hours\n"
        f"  Change its expiry: {url}/keys/{key.public_id}/edit/\n\n"
        "If a program still needs a key, change the key's expiry, or create a new key and switch the program to it."
        "\n\n"
        "-- \nYou get this email because you work on the project Acme Weather. Manage notifications:\n"
        f"{url}/settings/#mails\n"
    )


def test_one_email_lists_every_key_of_the_project_that_ends_within_a_day_of_it(key, due, project):
    """P14 One email per project and day."""
    new_key(project, "An hour later", 30 * DAY + HOUR)
    new_key(project, "Weeks later", 60 * DAY)
    (message,) = due(23 * DAY)
    assert subjects([message]) == ["2 API keys expire, the first in 7 days: Acme Weather"]
    assert "An hour later" in message.body
    assert "Weeks later" not in message.body
    assert due(23 * DAY + HOUR) == [], "a key whose turn comes on that day was listed already"
    (message,) = due(29 * DAY)
    assert "in 24 hours" in message.body
    assert "in 25 hours" in message.body
    assert due(29 * DAY + HOUR) == []
    assert subjects(due(30 * DAY)) == ["API key expired: Production server (Acme Weather)"]
    assert subjects(due(30 * DAY + HOUR)) == ["API key expired: An hour later (Acme Weather)"], (
        "an end waits for nothing"
    )


def test_a_key_that_is_made_on_the_day_of_an_email_waits_for_the_next_days(key, due, project):
    assert len(due(23 * DAY)) == 1
    new_key(project, "Short", 3 * DAY)
    new_key(project, "Tiny", MINUTE)
    (message,) = due(23 * DAY + HOUR)
    assert subjects([message]) == ["API key expired: Tiny (Acme Weather)"]
    assert "Short" not in message.body
    assert subjects(due(24 * DAY)) == ["API key expires in 48 hours: Short (Acme Weather)"]
    assert due(25 * DAY) == [], "the email of two days before stands for that of one day before"
    assert len(due(26 * DAY)) == 1


def test_the_words_say_the_time_that_is_left(clock, due, project):
    new_key(project, "Short", 3 * DAY)
    assert subjects(due(MINUTE)) == ["API key expires in 3 days: Short (Acme Weather)"]


def test_owners_of_a_key_that_was_never_used_are_told_once(clock, due, project):
    key = new_key(project, "Forgotten", 30 * DAY, used=False)
    (message,) = due(23 * DAY)
    assert "Never used. 0 requests in the last 24 hours" in message.body
    assert due(29 * DAY) == []
    assert due(30 * DAY) == []
    assert AuditEvent.objects.filter(kind="expired", key=key).count() == 1


def test_another_end_arms_the_emails_again(key, due, owner):
    assert len(due(23 * DAY)) == 1
    assert change_end(key=key, expires_at=START + 60 * DAY, by=owner)
    assert due(30 * DAY) == []
    assert len(due(53 * DAY)) == 1
    assert len(due(60 * DAY)) == 1
    assert change_end(key=key, expires_at=START + 90 * DAY, by=owner, may_revive=True)
    assert len(due(83 * DAY)) == 1
    assert len(due(90 * DAY)) == 1
    assert AuditEvent.objects.filter(kind="expired", key=key).count() == 2, "it expired twice"


def test_an_end_that_nobody_has_written_down_is_written_down_before_a_change(key, clock, owner):
    clock.move_to(START + 31 * DAY, tick=False)
    change_end(key=key, expires_at=None, by=owner, may_revive=True)
    assert list(key.events.order_by("pk").values_list("kind", flat=True))[-2:] == ["expired", "revived"]


@pytest.mark.parametrize("paused", [False, True])
def test_a_key_that_a_person_ended_or_deleted_is_no_email(paused, clock, due, project, owner):
    ended, deleted = new_key(project, "Ended", DAY), new_key(project, "Deleted", DAY)
    if paused:
        pause_key(key=ended, by=owner)
    end_key(key=ended, by=owner)
    delete_key(key=deleted, by=owner)
    assert due(2 * DAY) == []
    assert not AuditEvent.objects.filter(kind="expired").exists()


def test_the_old_key_of_a_roll_has_emails_of_its_own_before_its_end(key, due):
    ApiKey.objects.filter(pk=key.pk).update(end_reason=EndReason.ROLLED)
    assert due(23 * DAY) == due(29 * DAY) == []
    assert subjects(due(30 * DAY)) == ["API key expired: Production server (Acme Weather)"]


def test_the_mark_is_written_without_owners_who_want_the_email(key, due, owner, project):
    choose_mails(project=project, by=owner, choice=ALL | {"ending": False})
    assert due(23 * DAY) == []
    assert KeyNotice.objects.filter(key=key).count() == 1
    choose_mails(project=project, by=owner, choice=ALL)
    assert due(23 * DAY + MINUTE) == []


def test_a_deleted_project_is_told_nothing(key, due, owner, project):
    delete_project(project=project, by=owner)
    assert due(23 * DAY) == due(30 * DAY) == []


def test_mark_event_and_email_are_written_together_or_not_at_all(key, clock, monkeypatch):
    """L4 An email that could not be queued leaves no mark, so the next pass sends it."""
    clock.move_to(START + 30 * DAY, tick=False)
    monkeypatch.setattr("apikeys.lifetimes.notices.enqueue", lambda *_, **__: 1 / 0)
    assert send_due_notices(timezone.now()) == 0
    assert not KeyNotice.objects.exists()
    assert not AuditEvent.objects.filter(kind="expired").exists()
    monkeypatch.undo()
    clock.move_to(START + 30 * DAY + MINUTE, tick=False)
    assert send_due_notices(timezone.now()) == 1
    assert Email.objects.filter(about=key.project.public_id).exists()
