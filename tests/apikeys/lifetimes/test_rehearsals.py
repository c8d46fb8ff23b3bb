"""A rehearsal of a key's deletion says who missed the key."""

from datetime import timedelta

import pytest
from django.conf import settings as product
from django.test import Client
from django.utils import timezone

from apikeys.keys.pausing import change_end_of_pause, pause_key, resume_key
from apikeys.keys.services import report_leak
from apikeys.lifetimes.pauses import write_down_ended_pauses
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.models import ApiKey
from apikeys.usage import caller_bounds, counting
from apikeys.verify.verification import verify
from tests.support.places.pages import HTMX, action, page, text

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def no_addresses_left_over():
    caller_bounds.begin_anew()


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def rehearsed(api_key, owner):
    pause_key(key=api_key, by=owner, until=timezone.now() + 5 * MINUTE)
    return api_key


def miss(key, **times):
    """Rejected requests: so many from each address, such as `a=9` for 198.51.100.10."""
    for address, number in times.items():
        for _ in range(number):
            verify(f"Bearer {key.secret}", f"198.51.100.{int(address, 16)}")
    counting.flush()


def let_end(key, ago):
    """The rehearsal began 5 minutes before its end, which was `ago` ago, with its rejected requests."""
    ended_at = timezone.now() - ago
    ApiKey.objects.filter(pk=key.pk).update(
        paused_at=ended_at - 5 * MINUTE, rehearsal_began_at=ended_at - 5 * MINUTE, resumes_at=ended_at
    )
    key.callers.filter(span="rehearsal").update(starts_at=ended_at - 5 * MINUTE)


def row_and_page(client, key):
    return [text(client.get(path)) for path in (page("apikeys:settings", key.project), action("key", key))]


def test_row_and_page_say_who_missed_the_key(client, rehearsed):
    """P16: during the rehearsal and for a day after it, although nobody has written its end down."""
    quick_start = page("apikeys:dashboard", rehearsed.project)
    for said in [*row_and_page(client, rehearsed), text(client.get(quick_start))]:
        assert "Rehearsal: no request was rejected so far." in said
    miss(rehearsed, a=3, b=9)
    missed = "12 rejected requests from 2 addresses: 198.51.100.11 (9), 198.51.100.10 (3)."
    for said in [*row_and_page(client, rehearsed), text(client.get(quick_start))]:
        assert f"Rehearsal: {missed}" in said
        assert said.count("12 rejected requests") == 1
        assert said.count("rejected request") == 1
    # Nobody has used the key, so its page says "Tried".
    assert "Tried from Last 30 days" in text(client.get(action("key", rehearsed)))
    let_end(rehearsed, 23 * HOUR)
    for said in row_and_page(client, rehearsed):
        assert f"Rehearsal, ended 23 h ago : {missed}" in said
        assert "Active" in said
    write_down_ended_pauses(timezone.now())
    for said in row_and_page(client, rehearsed):
        assert f"Rehearsal, ended 23 h ago : {missed}" in said


def test_after_a_day_only_the_dialog_that_deletes_tells_of_the_rehearsal(client, rehearsed):
    miss(rehearsed, a=1)
    let_end(rehearsed, 25 * HOUR)
    for said in row_and_page(client, rehearsed):
        assert "Rehearsal" not in said
    said = text(client.get(action("delete", rehearsed), headers=HTMX))
    assert "Rehearsal, ended 1 day ago : 1 rejected request from 1 address: 198.51.100.10 (1)" in said


def test_no_request_was_rejected_is_said_too(client, rehearsed):
    let_end(rehearsed, MINUTE)
    for said in [*row_and_page(client, rehearsed), text(client.get(action("delete", rehearsed)))]:
        assert "Rehearsal, ended 1 min ago : no request was rejected." in said


def test_nothing_is_said_of_a_rehearsal_whose_addresses_are_not_stored_any_more(client, rehearsed):
    """Otherwise the page would claim that no request was rejected."""
    let_end(rehearsed, timedelta(days=product.CALLER_DAYS))
    assert "Rehearsal" not in text(client.get(action("delete", rehearsed)))


def test_three_addresses_are_named_and_the_others_counted(client, rehearsed):
    miss(rehearsed, a=1, b=2, c=3, d=4, e=5)
    said = "15 rejected requests from 5 addresses: 198.51.100.14 (5), 198.51.100.13 (4), 198.51.100.12 (3) and 2 more"
    for shown in row_and_page(client, rehearsed):
        assert said in shown


def test_the_requests_of_a_rehearsal_are_told_once(client, rehearsed, owner):
    miss(rehearsed, a=2)
    change_end_of_pause(key=rehearsed, by=owner, until=None)
    said = text(client.get(action("delete", rehearsed), headers=HTMX))
    assert "Never used. Rehearsal, ended just now : 2 rejected requests from 1 address: 198.51.100.10 (2). " in said
    for told in [*row_and_page(client, rehearsed), said]:
        assert told.count("2 rejected requests") == 1
    miss(rehearsed, a=1)
    said = text(client.get(action("delete", rehearsed), headers=HTMX))
    assert "Never used. 3 rejected requests in the last 24 hours . Tried from 1 address" in said


def test_a_server_that_stores_no_addresses_tells_the_number(client, rehearsed, settings):
    settings.CALLER_DAYS = 0
    miss(rehearsed, a=2)
    for said in row_and_page(client, rehearsed):
        assert "Rehearsal: 2 rejected requests" in said
        assert "198.51.100.10 (" not in said


def test_a_longer_pause_is_no_rehearsal(client, api_key, owner):
    pause_key(key=api_key, by=owner, until=timezone.now() + 2 * HOUR)
    miss(api_key, a=2)
    for said in row_and_page(client, api_key):
        assert "Rehearsal" not in said
        assert "2 rejected requests since" in said


@pytest.mark.parametrize("how", ["resumed", "kept", "reported"])
def test_a_rehearsal_that_somebody_ends_says_what_it_showed(rehearsed, owner, how):
    miss(rehearsed, a=2)
    if how == "resumed":
        resume_key(key=rehearsed, by=owner)
    elif how == "kept":
        change_end_of_pause(key=rehearsed, by=owner, until=None)
    else:
        report_leak(secret=rehearsed.secret)
    rehearsed.refresh_from_db()
    miss(rehearsed, a=1)
    [told] = with_rehearsals([rehearsed])
    assert told.rehearsal
    assert (told.rehearsal.goes_on, told.rehearsal.missed.rejected) == (False, 2)


def test_a_list_without_rehearsals_asks_no_query_for_them(api_key, django_assert_num_queries):
    with django_assert_num_queries(0):
        with_rehearsals([api_key])
