"""The figures that pages get from the counted calls."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from apikeys.usage import counting
from apikeys.usage.figures import PERIODS, Calls, Period, history, project_history, totals, with_figures
from apikeys.usage.models import KeyUse, ProjectUse, Span
from tests.support.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_half_past_three():
    with time_machine.travel(NOW, tick=False):
        yield


def call(key, ago: timedelta, outcome: str = "ok", times: int = 1) -> None:
    for _ in range(times):
        counting.record(key.pk, outcome, (NOW - ago).timestamp(), "203.0.113.7")
    counting.flush()


@pytest.mark.parametrize("period", Period)
def test_every_hour_or_day_is_there_with_and_without_calls(api_key, period):
    call(api_key, timedelta(0), times=3)
    call(api_key, timedelta(0), "paused", times=2)
    buckets = history([api_key], period)
    assert len(buckets) == PERIODS[period][1]
    assert [bucket.calls for bucket in buckets[:-1]] == [Calls()] * (len(buckets) - 1)
    assert buckets[-1].calls == Calls(3, 2)
    assert buckets[-1].starts_at == NOW.replace(minute=0, hour=15 if period == Period.DAY else 0)
    assert buckets == sorted(buckets)


def test_what_lies_before_the_period_is_left_out(api_key):
    call(api_key, timedelta(hours=24, minutes=31))
    call(api_key, timedelta(hours=23))
    assert sum(bucket.calls.all for bucket in history([api_key], Period.DAY)) == 1
    assert totals([api_key], Period.DAY) == {api_key.pk: Calls(1)}
    assert totals([api_key], Period.MONTH) == {api_key.pk: Calls(2)}


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_the_last_24_hours_miss_no_request_whatever_the_minute(api_key, project, minute):
    """They were 24 hours of the clock, so a request of 23 h 55 min ago was counted only in the first minutes of an
    hour.
    """
    now = NOW.replace(minute=minute)
    with time_machine.travel(now, tick=False):
        for ago in (timedelta(hours=23, minutes=55), timedelta(hours=24)):
            counting.record(api_key.pk, "ok", (now - ago).timestamp(), None)
        counting.flush()
        (key,) = with_figures([api_key])
        assert key.figures.last_24_hours == totals([api_key], Period.DAY)[api_key.pk] == Calls(2)
        assert sum(bucket.calls.all for bucket in project_history(project, [api_key.pk], Period.DAY)) == 2
        assert key.figures.since == history([api_key], Period.DAY)[0].starts_at
        assert timedelta(hours=24) <= now - key.figures.since < timedelta(hours=25)


def test_keys_are_added_up_in_the_history_and_told_apart_in_the_totals(api_key, project, owner):
    other = ApiKeyFactory(project=project, responsible=owner)
    stranger = ApiKeyFactory()
    for key, times in ((api_key, 2), (other, 5), (stranger, 100)):
        call(key, timedelta(0), times=times)
    assert history(project.api_keys.all(), Period.MONTH)[-1].calls == Calls(7)
    assert totals(project.api_keys.all(), Period.MONTH) == {api_key.pk: Calls(2), other.pk: Calls(5)}


def test_a_keys_figures_cost_one_query_for_all_keys(api_key, project, owner, django_assert_num_queries):
    keys = [api_key, *ApiKeyFactory.create_batch(5, project=project, responsible=owner)]
    call(api_key, timedelta(hours=2), times=4)
    call(api_key, timedelta(hours=3), "paused")
    call(api_key, timedelta(days=29), times=7)
    call(api_key, timedelta(days=30))
    with django_assert_num_queries(1):
        first, *others = with_figures(keys)
    assert first.figures.last_24_hours == Calls(4, 1)
    assert first.figures.days == (Calls(7), *(Calls(),) * 28, Calls(4, 1))
    assert first.figures.day == NOW.replace(hour=0, minute=0)
    assert {other.figures.last_24_hours for other in others} == {Calls()}


def test_no_keys_cost_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert with_figures([]) == []


def test_the_last_24_hours_are_the_same_for_a_key_and_on_usage(api_key):
    """Two pages showed 21,094 and 20,945 for them: one counted an hour more than the other."""
    for hours in range(27):
        call(api_key, timedelta(hours=hours))
        call(api_key, timedelta(hours=hours), "paused")
    (key,) = with_figures([api_key])
    assert key.figures.last_24_hours == totals([api_key], Period.DAY)[api_key.pk] == Calls(25, 25)
    assert sum(bucket.calls.all for bucket in history([api_key], Period.DAY)) == 50


@pytest.mark.parametrize(("minutes", "counted"), [(0, 1), (30, 1), (31, 0)])
def test_a_key_whose_last_use_was_24_hours_ago_is_quiet_also_while_that_hour_is_counted(api_key, minutes, counted):
    call(api_key, timedelta(hours=24, minutes=minutes))
    call(api_key, timedelta(hours=1), "paused")
    api_key.refresh_from_db()
    (key,) = with_figures([api_key])
    assert key.is_quiet
    assert key.figures.last_24_hours == Calls(counted, 1)


def test_hours_days_and_months_hold_the_same_calls(api_key, project):
    for hours in range(300):
        counting.record(api_key.pk, "ok", (NOW - timedelta(hours=hours)).timestamp(), None)
    counting.flush()
    by_span = {span: KeyUse.objects.filter(span=span) for span in Span.values}
    assert {span: sum(row.calls for row in rows) for span, rows in by_span.items()} == dict.fromkeys(by_span, 300)
    assert {span: rows.count() for span, rows in by_span.items()} == {"hour": 300, "day": 13, "month": 2}
    assert sum(row.calls for row in ProjectUse.objects.filter(project=project)) == 300


@pytest.mark.parametrize("today", ["2026-03-10", "2026-12-31", "2027-01-01", "2028-02-29", "2028-03-01"])
def test_a_years_totals_are_its_days_whatever_the_day_of_the_month(api_key, project, today):
    with time_machine.travel(f"{today} 12:00:00+00:00", tick=False):
        for days in (0, 1, 31, 200, 340, 363, 364, 365, 366, 400):
            at = timezone.now() - timedelta(days=days)
            counting.record(api_key.pk, "ok", at.timestamp(), None)
        counting.flush()
        days = history([api_key], Period.YEAR)
        assert sum(bucket.calls.all for bucket in days) == 7
        assert totals([api_key], Period.YEAR) == {api_key.pk: Calls(7)}
        assert project_history(project, [api_key.pk], Period.YEAR) == days


@pytest.mark.parametrize("period", Period)
def test_a_projects_history_is_that_of_its_keys(api_key, project, owner, period):
    other = ApiKeyFactory(project=project, responsible=owner)
    for key, outcome in ((api_key, "ok"), (other, "ok"), (other, "paused"), (ApiKeyFactory(), "ok")):
        call(key, timedelta(hours=5), outcome, times=2)
    assert project_history(project, [api_key.pk, other.pk], period) == history([api_key, other], period)
