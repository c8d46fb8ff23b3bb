"""A rejected address on a key's page, and Allow, the button beside it."""

import re

import pytest
from django.utils import timezone

from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from apikeys.usage import caller_bounds, counting
from projects.audit_log.models import AuditEvent
from tests.support.people.confirmation import asks
from tests.support.places.pages import HTMX, action, text

HOME = "192.0.2.0/24"


@pytest.fixture
def client(owner, signed_in):
    return signed_in(owner)


@pytest.fixture
def bound(api_key) -> ApiKey:
    """A key that works from one network, and was tried from elsewhere."""
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True, networks=(HOME,)), by=None)
    caller_bounds.begin_anew()
    for address, outcome in (("192.0.2.9", "ok"), ("198.51.100.7", "address"), ("2001:db8::17", "address")):
        counting.record(api_key.pk, outcome, timezone.now().timestamp(), address)
    counting.flush()
    return api_key


def networks_of(key):
    return ApiKey.objects.get(pk=key.pk).bounds.networks


def fields(answer):
    """What the buttons Allow send: the value of `seen`, and each address."""
    content = answer.content.decode()
    addresses = re.findall(r'form="allow-address"\s+name="address"\s+value="([^"]+)"', content)
    return re.search(r'name="seen" value="([^"]*)"', content)[1], addresses


def test_an_address_that_was_rejected_is_shown_with_allow_and_works_from_then_on(client, bound, owner):
    answer = client.get(action("key", bound))
    assert "198.51.100.7 Allow 198.51.100.7 1 1 rejected" in text(answer)
    seen, addresses = fields(answer)
    assert sorted(addresses) == ["198.51.100.7", "2001:db8::/64"]
    for address in addresses:
        seen, _ = fields(client.get(action("key", bound)))
        answer = client.post(action("allow_address", bound), {"seen": seen, "address": address}, follow=True)
        assert f"{address} may use Production server now." in text(answer)
        assert f"Allow {address}" not in text(answer)
    assert set(networks_of(bound)) == {HOME, "198.51.100.7/32", "2001:db8::/64"}
    assert ApiKey.objects.get(pk=bound.pk).bounds.read_only
    events = AuditEvent.objects.filter(key=bound, kind="networks_changed", by=owner)
    assert events.count() == 2


def test_allow_that_is_pressed_twice_is_answered_as_done_both_times(client, bound, owner):
    seen, [address, *_] = fields(client.get(action("key", bound)))
    for _ in range(2):
        answer = client.post(action("allow_address", bound), {"seen": seen, "address": address}, follow=True)
        assert f"{address} may use Production server now." in text(answer)
    assert AuditEvent.objects.filter(key=bound, kind="networks_changed", by=owner).count() == 1


def test_who_may_not_manage_keys_reads_why(bound, viewer, signed_in):
    answer = signed_in(viewer).get(action("key", bound))
    assert "198.51.100.7 Not allowed" in text(answer)
    assert "This key may not be used from every address that is listed. Only owners and developers" in text(answer)
    assert "allow-address" not in answer.content.decode()


def test_other_rejected_addresses_have_no_button(client, bound, api_key):
    """An address that the key's networks hold was rejected for another reason, and a key without networks has none."""
    counting.record(bound.pk, "paused", timezone.now().timestamp(), "192.0.2.9")
    counting.flush()
    assert "192.0.2.9" not in fields(client.get(action("key", bound)))[1]
    restrict_key(key=bound, restrictions=Restrictions(), by=None)
    assert "Allow 198" not in text(client.get(action("key", bound)))


def test_a_deleted_key_has_no_button_and_allows_nothing(client, bound, owner):
    delete_key(key=bound, by=owner)
    assert "Allow 198" not in text(client.get(action("key", bound)))
    answer = client.post(action("allow_address", bound), {"address": "198.51.100.7"}, follow=True)
    assert "was deleted in the meantime" in text(answer)


def post(client, key, **fields):
    answer = client.post(action("allow_address", key), fields, follow=True)
    assert answer.redirect_chain[0][0] == action("key", key)
    return text(answer)


def test_a_form_that_does_not_say_what_its_page_showed_allows_nothing(client, bound):
    said = post(client, bound, address="198.51.100.7")
    assert "This form was out of date. Press Allow again. Nothing was changed." in said
    assert networks_of(bound) == (HOME,)


@pytest.mark.parametrize("address", ["198.51.100.8", "198.51.100.0/24", "2001:db8::17", "2001:db8::/32", "128.0.0.0/1"])
def test_only_an_address_that_was_rejected_is_allowed(client, bound, address):
    """The page shows callers of IPv6 as /64 networks."""
    said = post(client, bound, seen=HOME, address=address)
    words = f"No request from {address} was rejected. To allow this address, add it on Edit. Nothing was changed."
    assert words in said
    assert networks_of(bound) == (HOME,)


def test_a_list_that_changed_in_the_meantime_is_left_alone(client, bound):
    restrict_key(key=bound, restrictions=Restrictions(networks=("203.0.113.0/24",)), by=None)
    said = post(client, bound, seen=HOME, address="198.51.100.7")
    assert "Somebody changed the addresses of Production server in the meantime. Nothing was changed." in said
    assert networks_of(bound) == ("203.0.113.0/24",)
    for address in ("", "nonsense", "0.0.0.0/0"):
        assert "Somebody changed the addresses" in post(client, bound, seen=HOME, address=address)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "This is no address. Nothing was changed."),
        ("nonsense", "This is no address. Nothing was changed."),
        ("0.0.0.0/0", "This is no address. Nothing was changed."),
        ("198.51.100.7/24", "This is no address. Nothing was changed."),
        ("192.0.2.9", "192.0.2.9 may use this key already. Nothing was changed."),
    ],
)
def test_what_is_no_address_to_allow_is_answered_in_words(client, bound, address, words):
    assert words in post(client, bound, seen=HOME, address=address)
    assert networks_of(bound) == (HOME,)


def test_a_key_for_any_address_stays_so(client, api_key):
    said = post(client, api_key, seen="", address="198.51.100.7")
    assert "Any address may use this key. Nothing was changed." in said
    assert networks_of(api_key) == ()


def test_at_most_fifty_networks(client, bound):
    networks = tuple(f"203.0.113.{number}/32" for number in range(50))
    restrict_key(key=bound, restrictions=Restrictions(networks=networks), by=None)
    said = post(client, bound, seen=" ".join(networks), address="198.51.100.7")
    assert "Give at most 50 networks. These are 51." in said


def test_a_key_that_a_newer_release_restricted_is_shown_and_left_alone(client, bound):
    ApiKey.objects.filter(pk=bound.pk).update(restrictions={"moons": 3})
    assert client.get(action("key", bound)).status_code == 200
    assert "A newer release restricted Production server." in post(client, bound, address="198.51.100.7")


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])
def test_an_old_session_is_asked_and_nothing_is_allowed_before_the_answer(aged, bound, headers):
    """T52"""
    assert asks(aged.post(action("allow_address", bound), {"address": "198.51.100.7"}, headers=headers))
    assert networks_of(bound) == (HOME,)
