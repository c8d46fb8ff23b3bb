"""What pages are told of the counted calls."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from apikeys import usage
from apikeys.figures import PERIODS, Calls, Period, history, totals, with_figures
from apikeys.models import KeyUse
from tests.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_half_past_three():
    with time_machine.travel(NOW, tick=False):
        yield


def call(key, ago: timedelta, outcome: str = "ok", times: int = 1) -> None:
    for _ in range(times):
        usage.record(key.pk, outcome, (NOW - ago).timestamp(), "203.0.113.7")
    usage.flush()


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
    call(api_key, timedelta(hours=24))
    call(api_key, timedelta(hours=23))
    assert sum(bucket.calls.all for bucket in history([api_key], Period.DAY)) == 1
    assert totals([api_key], Period.DAY) == {api_key.pk: Calls(1)}
    assert totals([api_key], Period.MONTH) == {api_key.pk: Calls(2)}


def test_keys_are_added_up_in_the_history_and_told_apart_in_the_totals(api_key, project, owner):
    other = ApiKeyFactory(project=project, created_by=owner)
    stranger = ApiKeyFactory()
    for key, times in ((api_key, 2), (other, 5), (stranger, 100)):
        call(key, timedelta(0), times=times)
    assert history(project.api_keys.all(), Period.MONTH)[-1].calls == Calls(7)
    assert totals(project.api_keys.all(), Period.MONTH) == {api_key.pk: Calls(2), other.pk: Calls(5)}


def test_a_keys_figures_cost_one_query_for_all_keys(api_key, project, owner, django_assert_num_queries):
    keys = [api_key, *ApiKeyFactory.create_batch(5, project=project, created_by=owner)]
    call(api_key, timedelta(hours=2), times=4)
    call(api_key, timedelta(hours=3), "paused")
    call(api_key, timedelta(days=29), times=7)
    call(api_key, timedelta(days=30))
    with django_assert_num_queries(1):
        first, *others = with_figures(keys)
    assert first.figures.last_24_hours == Calls(4, 1)
    assert first.figures.days == (7, *(0,) * 28, 4)
    assert {other.figures.last_24_hours for other in others} == {Calls()}


def test_no_keys_cost_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert with_figures([]) == []


def test_hours_and_days_hold_the_same_calls(api_key):
    for hours in range(60):
        call(api_key, timedelta(hours=hours), times=2)
    by_span = {span: sum(row.calls for row in KeyUse.objects.filter(span=span)) for span in KeyUse.Span.values}
    assert by_span == {"hour": 120, "day": 120}
    assert KeyUse.objects.filter(span="hour").count() == 60
    assert KeyUse.objects.filter(span="day").count() == 3
