"""Hours are folded into days: the sums stay, and old hours are deleted."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db.models import QuerySet, Sum

from apikeys.keys.services import delete_key
from apikeys.usage import counting, folding
from apikeys.usage.folding import HOURS_KEPT, UNMATCHED_KEPT, Folded, fold_hours
from apikeys.usage.models import KeyUse, UnmatchedUse
from projects.services import delete_project
from tests.apikeys.keys.test_commands import run, run_json
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_half_past_three():
    with time_machine.travel(NOW, tick=False):
        yield


def call(key, ago: timedelta, outcome: str = "ok") -> None:
    counting.record(key.pk, outcome, (NOW - ago).timestamp(), "203.0.113.7")
    counting.flush()


def days() -> list[tuple[object, ...]]:
    found = KeyUse.objects.filter(span="day").order_by("pk")
    return list(found.values_list("key_id", "starts_at", "outcome", "calls", "last_at", "last_address"))


def hours() -> list[datetime]:
    return list(KeyUse.objects.filter(span="hour").order_by("starts_at").values_list("starts_at", flat=True))


def test_old_hours_go_and_the_sums_of_days_stay(api_key):
    for ago in (timedelta(0), HOURS_KEPT - HOUR, HOURS_KEPT + HOUR, HOURS_KEPT + 3 * HOUR, timedelta(days=300)):
        call(api_key, ago)
        call(api_key, ago, "paused")
    before = days()
    assert fold_hours() == Folded(hours=6, unmatched_hours=0)
    assert days() == before
    assert sum(row[3] for row in before) == 10
    assert min(hours()) >= NOW - HOURS_KEPT - HOUR
    assert len(hours()) == 4


def test_running_again_changes_nothing(api_key):
    call(api_key, timedelta(days=200))
    assert fold_hours().hours == 1
    before = days()
    assert fold_hours() == Folded(0, 0)
    assert days() == before


def test_every_keys_hours_go_however_many_keys_there_are(project, monkeypatch):
    monkeypatch.setattr(folding, "KEYS_A_STATEMENT", 3)
    keys = ApiKeyFactory.create_batch(8, project=project)
    for key in keys:
        call(key, timedelta(days=100))
        call(key, timedelta(days=1))
    delete_key(key=keys[4], by=None)
    assert fold_hours().hours == 8
    assert len(hours()) == 8
    assert KeyUse.objects.filter(span="day").aggregate(sum=Sum("calls"))["sum"] == 16


def test_a_run_that_was_killed_is_finished_by_the_next(project, monkeypatch):
    monkeypatch.setattr(folding, "KEYS_A_STATEMENT", 1)
    for key in ApiKeyFactory.create_batch(3, project=project):
        call(key, timedelta(days=100))
    before, delete, done = days(), QuerySet.delete, []

    def killed_at_the_second(queryset):
        if done:
            raise KeyboardInterrupt
        done.append(queryset)
        return delete(queryset)

    monkeypatch.setattr(QuerySet, "delete", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        fold_hours()
    monkeypatch.setattr(QuerySet, "delete", delete)
    assert len(hours()) == 2
    assert fold_hours().hours == 2
    assert days() == before


def test_calls_that_matched_no_key_are_kept_for_a_year(api_key):
    for ago in (timedelta(0), UNMATCHED_KEPT - HOUR, UNMATCHED_KEPT + 2 * HOUR):
        counting.record_unmatched((NOW - ago).timestamp())
    counting.flush()
    assert fold_hours() == Folded(hours=0, unmatched_hours=1)
    assert UnmatchedUse.objects.count() == 2


def test_nothing_to_fold_is_fine(db):
    assert fold_hours() == Folded(0, 0)


def test_a_deleted_projects_use_is_gone(project, owner, api_key):
    call(api_key, timedelta(days=1))
    call(api_key, timedelta(days=200))
    delete_project(project=project, by=owner)
    assert not KeyUse.objects.exists()
    assert fold_hours() == Folded(0, 0)


def test_the_command_says_how_many_rows_it_folded(api_key):
    call(api_key, timedelta(days=200))
    assert run("foldusage") == "Folded 1 rows of hours into their days.\n"
    assert run_json("foldusage") == {"hours": 0, "unmatched_hours": 0}
