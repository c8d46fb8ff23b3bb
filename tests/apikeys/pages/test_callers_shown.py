"""P18: pages show which addresses use a key."""

import pytest
from django.utils import timezone

from apikeys.usage import caller_bounds, counting
from apikeys.usage.models import KeyCaller
from tests.support.places.pages import HTMX, action, text


@pytest.fixture(autouse=True)
def clock(time_machine):
    """It stands at noon of a day, so that each number of seconds ago is the same."""
    time_machine.move_to(timezone.now().replace(hour=12, minute=0, second=0), tick=False)
    caller_bounds.begin_anew()
    return time_machine


def use(key, *addresses, outcome="ok"):
    for address in addresses:
        counting.record(key.pk, outcome, timezone.now().timestamp(), address)
    counting.flush()


def test_a_keys_page_lists_the_addresses_that_use_it(api_key, owner, signed_in, clock):
    """P18: with both addresses of a key that is used from two; a viewer sees them, too."""
    use(api_key, "198.51.100.7")
    clock.shift(60)
    use(api_key, "198.51.100.7", "2001:db8:40::17")
    clock.shift(30)
    use(api_key, "198.51.100.7", outcome="paused")
    said = text(signed_in(owner).get(action("key", api_key)))
    assert "Used from Last 30 days (UTC) Address Requests First request Last request" in said
    assert "198.51.100.7 3 1 rejected 1 min ago just now 2001:db8:40::/64 1 30 s ago 30 s ago" in said


def test_a_key_that_was_never_used_says_so_and_a_server_that_stores_no_address(api_key, owner, signed_in, settings):
    client = signed_in(owner)
    assert "Used from Last 30 days (UTC) No requests in the last 30 days." in text(client.get(action("key", api_key)))
    settings.CALLER_DAYS = 0
    use(api_key, "198.51.100.7")
    said = text(client.get(action("key", api_key)))
    assert "Used from This server does not store from which addresses a key is used." in said


def test_the_dialog_that_deletes_a_key_names_the_last_addresses_of_a_week(api_key, owner, signed_in):
    client = signed_in(owner)
    assert "Used from" not in text(client.get(action("delete", api_key), headers=HTMX))
    use(api_key, *["198.51.100.7"] * 12, "203.0.113.9")
    for answer in (client.get(action("delete", api_key), headers=HTMX), client.get(action("delete", api_key))):
        assert (
            "Used from 2 addresses in the last 7 days: "
            "198.51.100.7 (12 requests, just now ), 203.0.113.9 (1 request, just now )." in text(answer)
        )


def test_figures_that_miss_some_addresses_say_so(api_key, owner, signed_in):
    client = signed_in(owner)
    use(api_key, *(f"198.51.100.{number}" for number in range(10, 20)))
    said = text(client.get(action("delete", api_key)))
    assert "Used from at least 8 addresses in the last 7 days" in said
    assert "and 5 more" in said
    missing = "2 requests came from other addresses, which were counted together."
    assert missing in said
    assert missing in text(client.get(action("key", api_key)))


def test_requests_from_before_addresses_were_stored_are_named(api_key, owner, signed_in):
    use(api_key, "198.51.100.7")
    KeyCaller.objects.all().delete()
    said = text(signed_in(owner).get(action("key", api_key)))
    assert "Used from Last 30 days (UTC) 1 request came before addresses were stored." in said


def test_all_addresses_of_a_key_are_on_its_page(api_key, owner, signed_in):
    for start in (0, 8):
        use(api_key, *(f"198.51.100.{number}" for number in range(start, start + 8)))
    answer = signed_in(owner).get(action("key", api_key))
    assert "6 more addresses" in text(answer)
    assert all(f"<code>198.51.100.{number}</code>" in answer.content.decode() for number in range(16))
