"""What pages say of the limits of keys: how much is used, and until when a key rests."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.limits.models import Budget
from apikeys.limits.resting import KeyBudgets, Used, budgets_of, budgets_of_project
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from tests.support.factories import ApiKeyFactory

THREE = Limit(3, Window.MONTH)
NEXT_YEAR = datetime(2100, 1, 1, tzinfo=UTC)


def restrict(api_key, **limits):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(**limits)), by=None)


def test_the_use_of_many_keys_is_one_query(db, api_key, django_assert_num_queries):
    keys = [api_key, *ApiKeyFactory.create_batch(3, project=api_key.project)]
    for key in keys[:3]:
        restrict(key, rate=Limit(10, Window.HOUR), quota=THREE)
    with django_assert_num_queries(1):
        found = budgets_of(keys)
    assert [found[key.pk] == KeyBudgets() for key in keys] == [False, False, False, True]
    with django_assert_num_queries(0):
        budgets_of(keys[3:])


def test_a_key_rests_when_its_quota_is_used_up(db, api_key, authorization):
    restrict(api_key, quota=THREE, rate=Limit(10, Window.HOUR))
    used = []
    for _ in range(4):
        verify(authorization["Authorization"])
        used.append(budgets_of([api_key])[api_key.pk])
    assert [each.quota.used for each in used] == [1, 2, 3, 3]
    assert [each.quota.is_spent for each in used] == [False, False, True, True]
    assert [each.resting and each.resting.limit for each in used] == [None, None, THREE, THREE]
    assert used[0].rate.used == 1


def test_the_use_of_a_project_is_that_of_its_keys_together(db, api_key, authorization):
    limit_project(project=api_key.project, limits=Limits(quota=THREE), by=None)
    verify(authorization["Authorization"])
    assert budgets_of_project(api_key.project).quota.used == 1
    assert budgets_of([api_key])[api_key.pk] == KeyBudgets()


@pytest.mark.parametrize("window", Window)
def test_a_limit_that_was_never_used_has_the_whole_window(db, api_key, window):
    kind = "quota" if window in (Window.DAY, Window.MONTH) else "rate"
    restrict(api_key, **{kind: Limit(3, window)})
    used = getattr(budgets_of([api_key])[api_key.pk], kind)
    assert used.used == 0
    assert timedelta(0) < used.ends_at - timezone.now() + timedelta(seconds=1)


def test_a_window_that_has_ended_counts_no_more(db, api_key):
    restrict(api_key, quota=THREE)
    Budget.objects.create(name=f"key:{api_key.pk}:quota:month", starts=0, used=3, block=1, amount=3)
    assert budgets_of([api_key])[api_key.pk].quota.used == 0


def test_a_window_ahead_of_the_clock_still_counts(db, api_key):
    restrict(api_key, quota=THREE)
    starts = int(NEXT_YEAR.timestamp())
    Budget.objects.create(name=f"key:{api_key.pk}:quota:month", starts=starts, used=3, block=1, amount=3)
    resting = budgets_of([api_key])[api_key.pk].resting
    assert resting.resting_in_words == "Resting until 1 February 2100, 00:00 UTC: 3 of 3 requests this month"


def test_the_limit_that_rejects_the_longest_is_named():
    today, month = (
        Used(Limit(5, window), 5, NEXT_YEAR + timedelta(days=days)) for window, days in (("day", 0), ("month", 9))
    )
    assert KeyBudgets(rate=today, quota=month).resting is month


def test_restrictions_of_a_newer_release_show_no_limit(db, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(restrictions={"newer": 1})
    api_key.refresh_from_db()
    assert budgets_of([api_key])[api_key.pk] == KeyBudgets()
