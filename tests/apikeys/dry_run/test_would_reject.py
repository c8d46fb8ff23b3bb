"""What restrictions would have rejected, compared with stored requests."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys.bounds.networks import cover
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.dry_run.address_suggestions import hides_addresses, suggested
from apikeys.dry_run.would_reject import dry_run
from apikeys.keys.services import create_key
from apikeys.usage import caller_bounds, counting
from apikeys.usage.models import KeyCaller, KeyUse

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(time_machine):
    time_machine.move_to(NOON, tick=False)
    caller_bounds.begin_anew()
    return time_machine


def use(key, address, number=1, *, ago=timedelta(), outcome="ok"):
    for _ in range(number):
        counting.record(key.pk, outcome, (timezone.now() - ago).timestamp(), address)
    counting.flush()


def said(key, **parts):
    [sentence] = dry_run(key, Restrictions(**parts))
    return sentence.text


def limited(rate=None, quota=None):
    return Restrictions(limits=Limits(rate, quota))


def test_networks_are_compared_with_the_stored_addresses(api_key):
    for address, number in (("198.51.100.7", 5), ("203.0.113.9", 2), ("2001:db8::17", 1)):
        use(api_key, address, number)
    use(api_key, "192.0.2.1", 9, outcome="paused")
    networks = ("198.51.100.0/24", "2001:db8::/32")
    words = "Would have rejected 2 of 8 requests of the last 30 days, from 1 of 3 addresses."
    assert said(api_key, networks=networks) == words
    words = "Would have rejected 0 of 8 requests of the last 30 days, from 0 of 3 addresses."
    assert said(api_key, networks=(*networks, "203.0.113.9/32")) == words


def test_a_part_of_a_stored_network_does_not_hold_it():
    """Callers of IPv6 are stored as /64 networks, so one address of it says nothing of the others."""
    assert cover(("2001:db8::/48",), ("2001:db8::/64",))
    assert not cover(("2001:db8::17/128", "198.51.100.0/24"), ("2001:db8::/64",))


def test_requests_without_a_stored_address_are_named(api_key):
    use(api_key, None, 3)
    use(api_key, "198.51.100.7")
    words = "3 more requests came from addresses that were counted together."
    assert words in said(api_key, networks=("198.51.100.7/32",))


def test_nothing_to_compare_with_is_said(api_key, settings):
    rate, quota = Limit(1, Window.MINUTE), Limit(1, Window.DAY)
    assert "no request was allowed in the last 30 days" in said(api_key, networks=("198.51.100.7/32",))
    for sentence in dry_run(api_key, limited(rate, quota)):
        assert "no request was allowed in the last 30 days" in sentence.text
    settings.CALLER_DAYS = 7
    use(api_key, "198.51.100.7")
    assert "of the last 7 days" in said(api_key, networks=("198.51.100.7/32",))
    settings.CALLER_DAYS = 0
    assert "does not store from which addresses" in said(api_key, networks=("198.51.100.7/32",))
    assert dry_run(api_key, Restrictions(read_only=True)) == []


@pytest.mark.parametrize(
    ("quota", "rejected"),
    [
        (Limit(10, Window.DAY), 0),
        (Limit(4, Window.DAY), 4),
        # November has 6 + 6 requests on its days, and October 10 before the last 30 days and 4 in them.
        (Limit(12, Window.MONTH), 2),
        (Limit(9, Window.MONTH), 7),
    ],
)
def test_quotas_are_exact_by_days_and_months(api_key, clock, quota, rejected):
    for number, ago in ((6, 0), (6, 10), (4, 29), (10, 30)):
        use(api_key, "198.51.100.7", number, ago=timedelta(days=ago))
    clock.move_to(NOON + timedelta(hours=1), tick=False)
    expected = f"Would have rejected {rejected} of 16 requests of the last 30 days."
    assert dry_run(api_key, limited(quota=quota))[0].text == expected


def test_requests_that_a_limit_rejected_are_compared_too(api_key):
    use(api_key, "198.51.100.7", 3)
    use(api_key, "198.51.100.7", 2, outcome="quota")
    use(api_key, "198.51.100.7", 4, outcome="paused")
    text = dry_run(api_key, limited(quota=Limit(4, Window.DAY)))[0].text
    assert text == "Would have rejected 1 of 5 requests of the last 30 days."


def test_rates_are_compared_by_the_average_of_the_hour_and_say_so(api_key):
    use(api_key, "198.51.100.7", 61)
    use(api_key, "198.51.100.7", 5, ago=timedelta(hours=2))
    by_minute = dry_run(api_key, limited(rate=Limit(1, Window.MINUTE)))[0].text
    assert by_minute.startswith(
        "Would have rejected 1 of 66 requests of the last 30 days, by the average of each hour."
    )
    by_hour = dry_run(api_key, limited(rate=Limit(4, Window.HOUR)))[0].text
    assert by_hour == "Would have rejected 58 of 66 requests of the last 30 days."


def test_a_dry_run_asks_a_query_for_each_part_for_any_number_of_requests(api_key, django_assert_num_queries):
    for number in range(8):
        use(api_key, f"198.51.100.{number}", ago=timedelta(days=number))
    limits = Limits(Limit(1, Window.MINUTE), Limit(1, Window.DAY))
    with django_assert_num_queries(3):
        assert len(dry_run(api_key, Restrictions(networks=("198.51.100.7/32",), limits=limits))) == 3


# Suggest from use


def store(key, addresses, *, rejected=0):
    KeyCaller.objects.bulk_create(
        KeyCaller(
            key=key, span="day", starts_at=NOON.replace(hour=0), address=address, allowed=allowed, rejected=rejected,
            first_at=NOON, last_at=NOON,
        )
        for address, allowed in addresses.items()
    )  # fmt: skip


def test_the_addresses_that_were_let_in_are_suggested(api_key):
    store(api_key, {"198.51.100.7": 5, "2001:db8:40::/64": 9})
    store(api_key, {"192.0.2.1": 0}, rejected=4)
    found = suggested(api_key)
    assert found.networks == ("2001:db8:40::/64", "198.51.100.7/32")
    assert found.text == "2001:db8:40::/64\n198.51.100.7"
    assert found.words == "These are the addresses of the last 30 days."
    assert restrict_key(key=api_key, restrictions=Restrictions(networks=found.networks), by=None)


def test_many_addresses_are_folded_into_networks_and_it_says_so(api_key):
    store(api_key, {f"198.51.{network}.{host}": 1 for network in range(30) for host in (1, 2)})
    found = suggested(api_key)
    assert len(found.networks) == 30
    assert "198.51.0.0/24" in found.networks
    assert "folded into /24 networks" in found.words


def test_at_most_fifty_networks_are_suggested_those_with_the_most_requests(api_key):
    store(api_key, {f"198.51.{network}.1": 1 + network for network in range(60)})
    found = suggested(api_key)
    assert len(found.networks) == 50
    assert "198.51.59.0/24" in found.networks
    assert "198.51.9.0/24" not in found.networks
    assert "10 networks with fewer requests are left out." in found.words


def test_without_requests_or_stored_addresses_nothing_is_suggested(api_key, settings):
    assert "there is nothing to suggest" in suggested(api_key).words
    settings.CALLER_DAYS = 0
    assert "does not store" in suggested(api_key).words


# A gateway that hides addresses


@pytest.mark.parametrize(
    ("addresses", "hides"),
    [
        ((), False),
        (("10.0.0.5",), True),
        (("127.0.0.1",), True),
        (("fd00:1::/64",), True),
        (("198.51.100.7",), False),
        (("10.0.0.5", "10.0.0.6"), False),
        (("10.0.0.5", "198.51.100.7"), False),
        (("10.0.0.5", ""), True),
    ],
)
def test_one_private_address_of_all_callers_is_the_gateways(
    api_key, project, addresses, hides, django_assert_num_queries
):
    store(api_key, dict.fromkeys(addresses, 1))
    with django_assert_num_queries(1):
        assert hides_addresses(project) is hides


def test_the_callers_of_all_keys_of_the_project_count(api_key, project, owner):
    store(api_key, {"10.0.0.5": 1})
    other = create_key(project=project, name="Other", by=owner).key
    store(other, {"10.0.0.5": 1})
    assert hides_addresses(project)
    KeyCaller.objects.filter(key=other).update(address="10.0.0.6")
    assert not hides_addresses(project)
    assert not KeyUse.objects.exists()
