"""What a limited key is answered, request by request."""

import pytest

from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.limits import blocks
from apikeys.limits.models import Budget
from apikeys.limits.reserving import reserve
from apikeys.verify.verification import verify

QUOTA = Limits(quota=Limit(3, Window.MONTH))


def restrict(api_key, **parts):
    restrict_key(key=api_key, restrictions=Restrictions(**parts), by=None)


@pytest.fixture(params=["in a transaction", "outside"])
def either_way(request):
    """A check inside a transaction of its caller keeps nothing in memory."""
    request.getfixturevalue("db" if request.param == "in a transaction" else "transactional_db")


def test_a_quota_lets_in_exactly_as_many_requests(either_way, api_key, authorization):
    restrict(api_key, limits=QUOTA)
    codes = [verify(authorization["Authorization"]).code for _ in range(5)]
    assert codes == [None, None, None, "quota_reached", "quota_reached"]


def test_the_limits_of_a_project_hold_for_its_keys_together(either_way, api_key, authorization):
    limit_project(project=api_key.project, limits=QUOTA, by=None)
    codes = [verify(authorization["Authorization"]).code for _ in range(4)]
    assert codes == [None, None, None, "quota_reached"]


def test_a_refused_request_uses_up_nothing_of_the_other_limits(either_way, api_key, authorization):
    limit_project(project=api_key.project, limits=QUOTA, by=None)
    restrict(api_key, limits=Limits(quota=Limit(10, Window.MONTH)))
    for _ in range(8):
        verify(authorization["Authorization"])
    verdict = verify(authorization["Authorization"], asked=Asked(cost=0))
    assert verdict.identity
    blocks.give_back_all()
    used = dict(Budget.objects.values_list("name", "used"))
    assert used == {f"key:{api_key.pk}:quota:month": 3, f"project:{api_key.project_id}:quota:month": 3}


def test_a_cost_counts_as_so_many_requests(either_way, api_key, authorization):
    restrict(api_key, limits=QUOTA)
    codes = [verify(authorization["Authorization"], asked=Asked(cost=cost)).code for cost in (2, 2, 1, 1)]
    assert codes == [None, "quota_reached", None, "quota_reached"]


def test_a_raised_limit_holds_for_the_next_request(either_way, api_key, authorization):
    restrict(api_key, limits=QUOTA)
    for _ in range(4):
        verify(authorization["Authorization"])
    restrict(api_key, limits=Limits(quota=Limit(5, Window.MONTH)))
    assert [verify(authorization["Authorization"]).code for _ in range(3)] == [None, None, "quota_reached"]


def test_the_end_of_a_window_refuses_nobody(transactional_db, api_key, authorization, monkeypatch):
    """A process ends its window a moment before the database does. It then asks until the next one begins."""
    restrict(api_key, limits=Limits(rate=Limit(1_000, Window.SECOND)))
    answers = []

    def reserve_late(*arguments, **options):
        reserved = reserve(*arguments, **options)
        answers.append(reserved)
        return reserved._replace(seconds=0.0) if len(answers) < 5 else reserved

    monkeypatch.setattr(blocks, "reserve", reserve_late)
    assert verify(authorization["Authorization"]).code is None
    assert len(answers) >= 5
