"""The sample account that `manage.py demo` makes."""

import json
import re
from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings
from django.utils import timezone

from accounts.models import User
from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Restrictions, Window
from apikeys.dry_run.would_reject import refused_addresses
from apikeys.lifetimes.notices import send_due_notices
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.limits.quota_emails import warn_of_quotas
from apikeys.limits.resting import budgets_of
from apikeys.models import ApiKey
from apikeys.standing import STANDINGS, UNKNOWN
from apikeys.usage.callers import used_from
from apikeys.usage.models import KeyCaller, KeyUse
from apikeys.verify.verification import verify
from projects.audit_log.kinds import codes_of
from projects.audit_log.models import AuditEvent
from projects.models import File, Project

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """The output of the command."""
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.slow
@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
class TestDemo(TestCase):
    """These tests share one sample account, because making it takes longer than all of them together."""

    demo: dict[str, Any]

    @classmethod
    def setUpTestData(cls):
        cls.demo = json.loads(run("demo", "--json"))

    def test_it_logs_in(self):
        assert self.client.login(username=self.demo["email"], password=self.demo["password"])
        user = User.objects.get(email=self.demo["email"])
        assert {project["id"] for project in self.demo["projects"]} == set(
            Project.objects.of(user).values_list("public_id", flat=True)
        )

    def test_it_prints_keys_whose_secrets_hold_what_their_states_say(self):
        keys = [key for project in self.demo["projects"] for key in project["keys"]]
        expected = {standing.code: standing.refusal and standing.refusal.code for standing in STANDINGS}
        assert {key["standing"] for key in keys} == set(expected) - {"deleted", "unknown"}
        for key in keys:
            answer = verify(f"Bearer {key['secret']}", "198.51.100.8", Asked("GET"))
            assert answer.code == expected[key["standing"]]
            assert ApiKey.objects.get(public_id=key["id"]).name == key["name"]

    def test_its_richest_project_comes_first_on_pages_too(self):
        assert self.client.login(username=self.demo["email"], password=self.demo["password"])
        listed = re.findall(
            r'class="row-main" href="[^"]*/(prj_[0-9A-Za-z]+)/"', self.client.get("/projects/").content.decode()
        )
        assert listed[0] == self.demo["projects"][0]["id"]
        keys = {project.public_id: project.api_keys.count() for project in Project.objects.all()}
        assert max(keys, key=keys.__getitem__) == listed[0]

    def test_it_prints_an_active_key_first_in_every_project(self):
        assert {project["keys"][0]["standing"] for project in self.demo["projects"]} == {"active"}

    def test_it_has_keys_in_every_state_files_and_months_of_events(self):
        assert {key.standing for key in ApiKey.objects.select_related("responsible")} == {*STANDINGS} - {UNKNOWN}
        assert ApiKey.objects.filter(resumes_at__gt=timezone.now()).exclude(pause_note="").count() == 1
        # The demo sends no emails. Owners would have to be told of these events.
        missing = {"shown_again", "resumed_reported", "member_changed", "member_removed"}
        # Nothing in the demo was renamed, no email choice was changed, and no file was deleted.
        missing |= {"renamed", "project_renamed", "notifications_changed", "file_deleted"}
        # No end was changed, and no key was rolled.
        missing |= {"pause_changed", "end_changed", "revived", "rolled", "ended_quiet"}
        # Nobody was invited or left, and no key was handed over.
        missing |= {"member_joined", "member_left", "invited", "invitation_resent", "invitation_link_copied"}
        missing |= {"invitation_revoked", "key_offered", "key_offer_declined", "key_offer_withdrawn", "key_handed_over"}
        # One key was restricted when it was made, and another was limited later. No project was limited.
        missing |= {"access_changed", "networks_changed", "project_limited"}
        assert set(AuditEvent.objects.values_list("kind", flat=True)) == set(codes_of()) - missing
        assert ApiKey.objects.get(pause_reason="reported").is_reported
        assert AuditEvent.objects.get(kind="shown_once").at == AuditEvent.objects.get(kind="forgotten").at
        by_time = AuditEvent.objects.filter(kind__in=["expired", "resumed_itself"])
        assert {*by_time.values_list("address", flat=True)} == {None}
        now = timezone.now()
        assert (now - AuditEvent.objects.earliest("at").at).days > 180
        assert not AuditEvent.objects.filter(at__gt=now).exists()
        for file in File.objects.all():
            with file.blob.open() as blob:
                assert len(blob.read()) == file.size

    def test_it_tells_every_keys_story_in_order(self):
        for key in ApiKey.objects.all():
            story = list(key.events.order_by("at").values_list("kind", flat=True))
            assert story[0] == "created"
            assert key.events.earliest("at").at == key.created_at
            assert (story[-1] == "deleted") == key.is_deleted
            assert (story[-1] in {"paused", "paused_until", "reported"}) == key.is_paused
            assert (story[-1] in {"expired", "ended"}) == (key.is_expired and not key.is_deleted)

    def test_it_counts_calls_whose_days_are_the_sums_of_their_hours(self):
        hours, days = (KeyUse.objects.filter(span=span) for span in ("hour", "day"))
        first = timezone.now() - timedelta(days=89)
        assert first - timedelta(days=2) < hours.earliest("starts_at").starts_at < first
        assert days.earliest("starts_at").starts_at < timezone.now() - timedelta(days=200)
        sums: Counter[tuple[Any, ...]] = Counter()
        for use in hours:
            sums[use.key_id, use.starts_at.replace(hour=0), use.outcome] += use.calls
        for use in days.filter(starts_at__gte=first):
            assert sums[use.key_id, use.starts_at, use.outcome] == use.calls

    def test_it_counts_no_call_outside_a_keys_life(self):
        for key in ApiKey.objects.all():
            let_in, refused = (list(uses) for uses in (key.use.filter(outcome="ok"), key.use.exclude(outcome="ok")))
            assert max((use.last_at for use in let_in), default=None) == key.last_used_at
            assert all(use.last_at >= key.created_at for use in let_in)
            counted = sum(use.calls for use in refused if use.span == "day")
            assert (counted, max((use.last_at for use in refused), default=None)) == (
                key.refused_calls,
                key.last_refused_at,
            )
            assert all(use.last_at < timezone.now() for use in [*let_in, *refused])
            if key.stopped_at:
                assert all(use.last_at > key.stopped_at for use in refused)
                assert {use.outcome for use in refused} <= {key.standing.outcome}

    def test_it_shows_a_rehearsal_and_where_keys_are_used_from(self):
        [rehearsed] = with_rehearsals(ApiKey.objects.exclude(rehearsal_began_at=None))
        assert rehearsed.rehearsal
        assert rehearsed.rehearsal.missed.rejected == 3
        for day in KeyCaller.objects.filter(span="day"):
            uses = day.key.use.filter(span="day", starts_at=day.starts_at)
            callers = KeyCaller.objects.filter(span="day", key=day.key, starts_at=day.starts_at)
            assert sum(use.calls for use in uses) == sum(caller.allowed + caller.rejected for caller in callers)

    def test_it_has_a_read_only_key_that_was_tried_from_elsewhere(self):
        key = ApiKey.objects.get(name="Status page")
        assert key.bounds == Restrictions(read_only=True, networks=("198.51.100.0/24",))
        assert refused_addresses(key, used_from(key)).addresses == {"203.0.113.24"}

    def test_it_has_a_key_whose_quota_is_nearly_used(self):
        key = ApiKey.objects.get(name="Map tiles")
        rate, quota = budgets_of([key])[key.pk]
        assert (rate.limit, rate.used) == (Limit(600, Window.MINUTE), 0)
        assert 80 <= quota.used * 100 // quota.limit.amount < 100
        counted = key.use.filter(span="month", outcome="ok").latest("starts_at")
        assert quota.used >= counted.calls > 1_000
        assert key.events.get(kind="limits_changed").at < timezone.now() - timedelta(days=19)
        assert warn_of_quotas(timezone.now()) == 0

    def test_nobody_is_told_of_an_invented_end(self):
        assert send_due_notices(timezone.now()) == 0

    def test_it_stays_when_another_is_made_whose_password_is_printed_once(self):
        text = run("demo")
        email, password = (text.split(f"{label}:")[1].split()[0] for label in ("email", "password"))
        assert text.count(password) == 1
        assert email != self.demo["email"]
        assert User.objects.get(email=email).check_password(password)
        assert User.objects.get(email=self.demo["email"]).check_password(self.demo["password"])


def test_demo_refuses_a_production_configuration(settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="ENV=production"):
        run("demo")
    assert not User.objects.exists()
