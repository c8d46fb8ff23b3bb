"""A page that waits for a key's first request announces the request by itself, and then stops polling."""

import pytest
from playwright.sync_api import expect

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from tests.browser.places import call, dashboard, onboarding, stop_the_clock, until

ASKED = "**/first-request/"


def until_asked(page) -> None:
    with page.expect_request(ASKED):
        pass


@pytest.mark.parametrize("place", [dashboard, onboarding])
def test_the_first_request_is_told_within_two_seconds(page, sign_in, server, project, owner, place):
    """Two seconds of the page's own clock. The time until the call is stored depends on the server and the machine."""
    new = create_key(project=project, name="Laptop", by=owner)
    page.clock.install()
    sign_in(page, owner)
    page.goto(place(project))
    page.evaluate("window.sameDocument = true")
    expect(page.get_by_text("Waiting for the first request with this key.")).to_be_visible()
    with page.expect_response(ASKED):
        stop_the_clock(page)
    call(server, new.secret)
    until(lambda: ApiKey.objects.get(pk=new.key.pk).last_used_at is not None)
    page.clock.run_for(2_000)
    expect(page.get_by_role("status").filter(has_text="First request received")).to_be_visible()
    page.clock.resume()
    assert page.evaluate("window.sameDocument"), "nothing was reloaded"
    if place is dashboard:
        expect(page.locator("#quick-start-last-used")).to_contain_text("Last used")
    else:
        expect(page.locator("#step-send")).to_have_class("done")


def test_a_page_stops_asking_when_the_request_came(page, sign_in, server, project, owner):
    secret = create_key(project=project, name="Laptop", by=owner).secret
    page.clock.install()
    sign_in(page, owner)
    page.goto(dashboard(project))
    call(server, secret)
    expect(page.get_by_text("First request received")).to_be_visible()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(5_000)
    page.wait_for_timeout(300)  # a request would be seen in this time
    assert asked == []


def test_a_page_that_nobody_sees_does_not_ask(page, sign_in, project, owner):
    create_key(project=project, name="Laptop", by=owner)
    page.clock.install()
    sign_in(page, owner)
    page.goto(dashboard(project))
    until_asked(page)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away ?? true, configurable: true})")
    page.wait_for_timeout(500)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(5_000)
    page.wait_for_timeout(300)  # a request would be seen in this time
    assert asked == []
    page.evaluate("window.away = false")
    until_asked(page)


def test_a_page_that_gets_no_answer_asks_again_and_says_nothing(page, sign_in, server, project, owner, complaints):
    secret = create_key(project=project, name="Laptop", by=owner).secret
    sign_in(page, owner)
    page.clock.install()
    page.route(ASKED, lambda route: route.fulfill(status=503))
    page.goto(dashboard(project))
    until_asked(page)
    page.clock.run_for(2_000)
    expect(page.locator("#announcements")).to_be_empty()
    page.unroute(ASKED)
    call(server, secret)
    expect(page.get_by_text("First request received")).to_be_visible()
    complaints.clear()  # the console tells of each 503
