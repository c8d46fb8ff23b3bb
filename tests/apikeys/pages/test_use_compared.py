"""Suggest from use and Check against use, on the form that edits a key."""

import html
import re

import pytest
from django.utils import timezone

from apikeys.usage import caller_bounds, counting
from tests.support.places.pages import HTMX, action, text
from tests.support.stored.tables import everything

EDIT = {"name": "Renamed", "access": "full", "networks": "", "rate": "", "quota": ""}
BOTH_WAYS = pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])


@pytest.fixture
def client(owner, signed_in):
    return signed_in(owner)


@pytest.fixture
def used(api_key):
    caller_bounds.begin_anew()
    for address, number in (("198.51.100.7", 3), ("2001:db8::17", 1)):
        for _ in range(number):
            counting.record(api_key.pk, "ok", timezone.now().timestamp(), address)
    counting.flush()
    return api_key


def send(client, key, headers, **fields):
    before = everything()
    answer = client.post(action("edit", key), EDIT | fields, headers=headers)
    assert everything() == before
    return answer


def networks_in(answer):
    return html.unescape(
        re.search(r'<textarea name="networks"[^>]*>\s*(.*?)</textarea>', answer.content.decode(), re.S)[1]
    )


@BOTH_WAYS
def test_suggest_from_use_fills_the_field_and_keeps_what_was_typed(client, used, headers):
    answer = send(client, used, headers, compare="suggest", rate="100", rate_window="minute")
    assert answer.status_code == 200
    assert networks_in(answer).split() == ["198.51.100.7", "2001:db8::/64"]
    assert "These are the addresses of the last 30 days." in text(answer)
    content = answer.content.decode()
    assert 'value="Renamed"' in content
    assert 'value="100"' in content
    assert re.search(r'<details class="options" open', content)


@BOTH_WAYS
def test_check_against_use_says_what_would_have_been_rejected(client, used, headers):
    fields = {"networks": "198.51.100.7", "rate": "5", "rate_window": "hour", "quota": "1", "quota_window": "day"}
    answer = send(client, used, headers, compare="check", **fields)
    assert answer.status_code == 200
    said = text(answer)
    assert "Addresses: Would have rejected 1 of 4 requests of the last 30 days, from 1 of 2 addresses." in said
    assert "Rate limit: Would have rejected 0 of 4 requests of the last 30 days." in said
    assert "Quota: Would have rejected 3 of 4 requests of the last 30 days." in said
    assert networks_in(answer).split() == ["198.51.100.7"]


def test_without_anything_to_compare_it_says_what_to_choose(client, used):
    assert "Choose addresses or a limit to compare" in text(send(client, used, HTMX, compare="check"))


def test_a_wrong_field_has_its_error_and_nothing_is_saved(client, used):
    answer = send(client, used, HTMX, compare="check", networks="nonsense", quota="1", quota_window="day")
    assert answer.status_code == 422
    assert "is no address and no network" in text(answer)
    assert send(client, used, HTMX, compare="check", again="yes").status_code == 200


def test_nothing_to_suggest_leaves_the_field_as_it_is(client, api_key):
    answer = send(client, api_key, HTMX, compare="suggest", networks="192.0.2.9")
    assert networks_in(answer).split() == ["192.0.2.9"]
    assert "there is nothing to suggest" in text(answer)


def test_a_gateway_that_hides_addresses_is_explained_beside_the_field(client, api_key):
    words = "All requests of this project came from one private address."
    assert words not in text(client.get(action("edit", api_key)))
    caller_bounds.begin_anew()
    counting.record(api_key.pk, "ok", timezone.now().timestamp(), "10.0.0.5")
    counting.flush()
    said = text(client.get(action("edit", api_key)))
    assert words in said
    assert "Suggest from use" not in said


def test_enter_in_a_field_saves(client, api_key):
    """The first button of a form is what Enter presses, and neither of these saves."""
    form = client.get(action("edit", api_key)).content.decode().split('id="edit-form-')[1]
    first = re.search(r'<(?:button|input)\b[^>]*type="submit"[^>]*>', form)[0]
    assert 'name="' not in first
