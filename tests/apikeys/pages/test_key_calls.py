"""The counted calls of keys on the pages: in the rows, on Quick Start, among the deleted keys and before deleting."""

import html
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apikeys.keys.pausing import pause_key, resume_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.templatetags.key_words import in_words, requests, sparkline
from apikeys.usage import counting
from apikeys.usage.figures import Calls
from apikeys.verify.verification import verify
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
QUIET = "No requests in 24 hours (last used"


@pytest.fixture(autouse=True)
def clock_that_stands(time_machine):
    """Pages say how long ago a call was. On a busy machine, seconds may pass between the call and the page."""
    time_machine.move_to(timezone.now(), tick=False)


@pytest.fixture
def browser(signed_in, owner):
    return signed_in(owner)


def url(name, *of):
    return reverse(f"apikeys:{name}", args=[thing.public_id for thing in of])


def text(response) -> str:
    words = html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))
    return re.sub(r" ([.,:])", r"\1", " ".join(words.split()))


def call(key, times: int = 1) -> None:
    for _ in range(times):
        verify(f"Bearer {key.secret}", "203.0.113.7")
    counting.flush()
    key.refresh_from_db()


# Rows


def test_a_row_shows_the_requests_of_today_and_the_last_30_days(browser, project, api_key):
    call(api_key, 1204)
    page = browser.get(url("settings", project))
    assert "1,204 in 30 days 1,204 today" in text(page)
    assert 'aria-label="1,204 on the busiest day"' in page.content.decode()


def test_figures_count_every_request_and_say_how_many_were_rejected(browser, project, api_key, time_machine):
    time_machine.move_to("2026-03-10 15:30:00+00:00", tick=False)
    call(api_key, 4)
    for outcome, ago in (("ok", 23), ("paused", 1), ("forbidden", 24)):
        counting.record(api_key.pk, outcome, (timezone.now() - timedelta(hours=ago)).timestamp(), None)
    counting.flush()
    row = browser.get(url("settings", project))
    assert "7 in 30 days 5 today (1 rejected)" in text(row)
    assert '<span title="10 March 2026 (UTC)">today</span>' in row.content.decode()
    assert 'aria-label="2 rejected, 5 on the busiest day"' in row.content.decode()
    bar = "Requests today (UTC) 5 1 rejected Requests, last 24 hours 7 2 rejected since 15:00 UTC yesterday"
    assert bar in text(browser.get(url("key", project, api_key)))
    asked = browser.get(url("delete", project, api_key))
    assert "7 requests (2 rejected) in the last 24 hours." in text(asked)
    assert 'title="Since 15:00 yesterday (UTC)"' in asked.content.decode()
    chart = "5 allowed, 2 rejected. Since 9 Mar, 15:00 (UTC). The last bar is the current hour."
    assert chart in text(browser.get(url("dashboard", project)))
    of_key = text(browser.get(url("key", project, api_key), {"range": "24h"}))
    assert chart.replace("rejected.", "rejected in the last 24 hours.") in of_key


def test_a_row_without_calls_has_no_chart(browser, project, api_key):
    page = browser.get(url("settings", project))
    assert "0 today" in text(page)
    assert "sparkline" not in page.content.decode()


def test_a_row_that_is_swapped_keeps_its_figures(browser, project, api_key):
    call(api_key, 3)
    assert "3 today" in text(browser.post(url("pause", project, api_key), headers=HTMX))


# Rejected calls


def test_a_paused_key_that_is_still_tried_says_so_in_its_row_and_on_quick_start(browser, project, api_key, owner):
    pause_key(key=api_key, by=owner)
    tuesday = timezone.now() - timedelta(days=3)
    ApiKey.objects.filter(pk=api_key.pk).update(paused_at=tuesday)
    call(api_key, 214)
    since = f"{tuesday:%H:%M} UTC on {tuesday.day} {tuesday:%B}"
    said = f"214 rejected requests since {since}, the last just now from 203.0.113.7."
    assert said in text(browser.get(url("settings", project)))
    assert said in text(browser.get(url("dashboard", project)))


def test_a_paused_key_that_nobody_tries_is_silent(browser, project, api_key, owner):
    pause_key(key=api_key, by=owner)
    for name in ("settings", "dashboard"):
        assert "rejected request" not in text(browser.get(url(name, project)))


def test_a_deleted_key_that_is_still_tried_says_so_among_the_deleted_keys(browser, project, api_key, owner):
    delete_key(key=api_key, by=owner)
    call(api_key)
    said = "1 rejected request just now from 203.0.113.7."
    assert said in text(browser.get(url("settings", project), {"state": "deleted"}))
    assert said not in text(browser.get(url("settings", project)))


def test_quick_start_names_the_other_keys_that_are_still_tried(browser, project, api_key, owner):
    new = create_key(project=project, name="New server", by=owner).key
    delete_key(key=api_key, by=owner)
    call(api_key, 2)
    page = text(browser.get(url("dashboard", project)))
    assert f"Active {new.name}" in page
    assert "Production server (deleted): 2 rejected requests since" in page
    ApiKey.objects.filter(pk=api_key.pk).update(last_refused_at=timezone.now() - timedelta(days=8))
    assert "rejected request" not in text(browser.get(url("dashboard", project)))


def test_a_key_that_was_re_enabled_is_not_named(browser, project, api_key, owner):
    create_key(project=project, name="New server", by=owner)
    pause_key(key=api_key, by=owner)
    call(api_key, 2)
    resume_key(key=api_key, by=owner)
    assert "rejected request" not in text(browser.get(url("dashboard", project)))
    assert "rejected request" not in text(browser.get(url("settings", project)))


# The first request


def test_the_first_request_is_nothing_until_it_came(browser, project, api_key):
    before = everything()
    answer = browser.get(url("first_request", project, api_key), headers=HTMX)
    assert (answer.status_code, answer.content) == (204, b"")
    assert everything() == before
    call(api_key)
    answer = browser.get(url("first_request", project, api_key), headers=HTMX)
    assert "First request received just now from 203.0.113.7." in text(answer)
    assert "data-listen" not in answer.content.decode()


@pytest.mark.parametrize("address", ["http://[", "", "http://testserver/elsewhere/"])
def test_an_unknown_page_is_told_too(browser, project, api_key, address):
    """T25"""
    call(api_key)
    answer = browser.get(url("first_request", project, api_key), headers={**HTMX, "HX-Current-URL": address})
    assert "First request received" in text(answer)
    assert "hx-swap-oob" not in answer.content.decode()


def test_the_fragment_opened_as_a_page_leads_to_the_dashboard(browser, project, api_key):
    assert browser.get(url("first_request", project, api_key)).url == url("dashboard", project)


def test_a_session_that_ended_leads_back_to_the_page_that_waited(client, project, api_key):
    waiting = "http://testserver" + url("onboarding", project)
    answer = client.get(url("first_request", project, api_key), headers={**HTMX, "Referer": waiting})
    assert answer.headers["HX-Redirect"].endswith(f"?next={url('onboarding', project)}")


def test_pages_listen_only_while_a_first_request_can_come(browser, project, api_key, owner):
    for name in ("dashboard", "onboarding"):
        assert "data-listen" in browser.get(url(name, project)).content.decode()
    pause_key(key=api_key, by=owner)
    for name in ("dashboard", "onboarding"):
        assert "data-listen" not in browser.get(url(name, project)).content.decode()


# Before a key is deleted


def test_deleting_says_when_and_how_often_the_key_was_used(browser, project, api_key):
    delete_page = url("delete", project, api_key)
    assert "Never used." in text(browser.get(delete_page))
    call(api_key, 12)
    said = "Last used just now from 203.0.113.7. 12 requests in the last 24 hours."
    assert said in text(browser.get(delete_page))
    assert said not in text(browser.get(url("settings", project))), "the dialog loads the facts when it opens"
    assert said in text(browser.get(delete_page, headers=HTMX))
    assert said in text(browser.post(delete_page, {"confirmation": "wrong"}))


@pytest.mark.parametrize(("days", "asked"), [(6, True), (8, False)])
def test_the_name_is_asked_only_for_a_key_used_in_the_last_7_days(browser, project, api_key, days, asked):
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now() - timedelta(days=days))
    assert ("to confirm" in text(browser.get(url("delete", project, api_key)))) == asked


# A rotation of keys


@pytest.mark.parametrize(("hours", "quiet"), [(23, False), (25, True)])
def test_a_key_that_had_calls_and_has_none_for_24_hours_is_quiet(browser, project, api_key, hours, quiet):
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now() - timedelta(hours=hours))
    page = text(browser.get(url("settings", project)))
    said = "No requests in 24 hours (last used 1 day ago ). If you have switched keys, you can delete it."
    assert (said in page) == quiet


def test_a_quiet_key_shows_no_request_in_the_hours_that_it_was_quiet(signed_in, owner, project, api_key, time_machine):
    time_machine.move_to(timezone.now().replace(minute=30), tick=False)
    call(api_key)

    def seen() -> list[str]:
        client = signed_in(owner)
        places = [url("settings", project), *(url(name, project, api_key) for name in ("key", "delete"))]
        return [text(client.get(place)) for place in places]

    # The hour in which the last 24 hours begin is counted.
    time_machine.move_to(timezone.now() + timedelta(hours=24, minutes=10), tick=False)
    listed, shown, before_deletion = seen()
    assert QUIET not in listed + shown
    assert "Requests, last 24 hours 1 since" in shown
    assert "Last used 1 day ago from 203.0.113.7. 1 request in the last 24 hours." in before_deletion
    time_machine.move_to(timezone.now() + timedelta(minutes=20), tick=False)
    listed, shown, before_deletion = seen()
    assert QUIET in listed
    assert QUIET in shown
    assert "Requests, last 24 hours 0 since" in shown
    assert "Last used 1 day ago from 203.0.113.7. No requests in the last 24 hours." in before_deletion


def test_a_key_that_was_refused_a_moment_ago_is_not_quiet(browser, project, api_key, owner):
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now() - timedelta(days=2))
    pause_key(key=api_key, by=owner)
    call(api_key)
    resume_key(key=api_key, by=owner)
    assert QUIET not in text(browser.get(url("settings", project)))


def test_neither_a_key_that_was_never_used_nor_a_paused_one_is_quiet(browser, project, api_key, owner):
    assert QUIET not in text(browser.get(url("settings", project)))
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=timezone.now() - timedelta(days=2))
    pause_key(key=api_key, by=owner)
    assert QUIET not in text(browser.get(url("settings", project)))


# Words


def test_numbers_of_requests_agree_with_their_noun():
    assert [requests(number) for number in (0, 1, 1500)] == ["0 requests", "1 request", "1,500 requests"]
    assert requests(2, "rejected") == "2 rejected requests"
    told = [in_words(calls) for calls in (Calls(), Calls(1204), Calls(2, 1), Calls(0, 1))]
    assert told == ["0 requests", "1,204 requests", "3 requests (1 rejected)", "1 rejected request"]


def test_the_busiest_day_is_as_high_as_there_is_room():
    chart = sparkline([Calls(), Calls(5), Calls(9, 1)])
    assert ["V12h4" in chart, "V0h4" in chart] == [True] * 2
    assert sparkline([Calls(), Calls()]) == ""
