"""What a turn of housekeeping does in the whole product."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.usage.models import CallerSpan, KeyCaller, KeyUse
from common.housekeeping import housekeeper
from common.outbox.models import Email
from config.housekeeping import TASKS
from projects.audit_log.models import AuditEvent
from projects.models import Project

pytestmark = pytest.mark.django_db(transaction=True)

YEAR = timedelta(days=365)


def changed(key: ApiKey, **columns: Any) -> ApiKey:
    ApiKey.objects.filter(pk=key.pk).update(**columns)
    return key


def rows_that_are_due(project: Project, key: ApiKey, now: datetime) -> dict[str, ApiKey]:
    by = project.created_by
    pause_key(key=key, by=by)
    changed(key, resumes_at=now)
    expired = create_key(project=project, name="Expired", by=by).key
    changed(expired, expires_at=now, end_reason="chosen", last_used_at=now)
    rolled = create_key(project=project, name="Rolled", by=by).key
    roll_key(key=rolled, overlap=Overlap.QUIET, by=by)
    ApiKey.objects.filter(replaces=rolled).update(created_at=now - 2 * timedelta(days=1))
    KeyCaller.objects.create(
        key=key, span=CallerSpan.DAY, starts_at=now - YEAR, address="192.0.2.1", first_at=now, last_at=now
    )
    Session.objects.create(session_key="ended", session_data="", expire_date=now)
    KeyUse.objects.create(key=key, span="hour", starts_at=now - YEAR, outcome="ok", calls=1, last_at=now - YEAR)
    return {"resumed_itself": key, "expired": expired, "ended_quiet": rolled}


def test_a_turn_of_housekeeping_does_what_is_due_once(project, api_key, settings, caplog):
    settings.HOUSEKEEPING_SECONDS = 60.0
    now = timezone.now() - timedelta(seconds=1)
    keys = rows_that_are_due(project, api_key, now)
    Email.objects.all().delete()
    housekeeper.give(*TASKS)
    for _ in range(2):
        assert housekeeper.take_turn("a")
        for kind, key in keys.items():
            assert AuditEvent.objects.filter(kind=kind).count() == key.events.filter(kind=kind).count() == 1
        assert Email.objects.count() == 2, "about the end, and about the roll"
        assert not KeyCaller.objects.exists()
        assert not Session.objects.exists()
        assert not KeyUse.objects.exists()
    assert "housekeeping_failed" not in caplog.text
