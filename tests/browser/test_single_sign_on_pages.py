"""Every page of single sign-on: axe in both themes, every width from 320 px, and all forms without script."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import Page, expect

from tests.browser.accounts import faults
from tests.browser.places import button
from tests.browser.test_accessibility import SMALL_TARGETS
from tests.browser.test_widths import at_every_width
from tests.browser.visits import Place
from tests.support.people.lying_provider import CLIENT_ID, CLIENT_SECRET, LyingProvider
from tests.support.programs.servers import Server

# The longest name that OIDC_NAME may have, without a place to break it.
ACME = "W" * 40
CONNECTIONS, CONFIRM = "/accounts/connections/", "/accounts/single-sign-on/confirm/"
CALLBACK = "/accounts/single-sign-on/callback/"


@pytest.fixture
def provider(transactional_db) -> Iterator[LyingProvider]:
    with LyingProvider().running() as provider:
        yield provider


@pytest.fixture
def server(provider, static_files) -> Iterator[Server]:
    provider_settings = {"OIDC_ISSUER": provider.issuer, "OIDC_NAME": ACME, "OIDC_SECONDS": "60"}
    client = {"OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    quick = "tests.support.settings.quick_passwords"
    with Server.started(DJANGO_SETTINGS_MODULE=quick, **provider_settings, **client) as server:
        yield server


@pytest.fixture
def stays_here(provider, complaints):
    """Makes a page stay on the page that leads to the provider: `stays_here(page)`."""

    def stay(page: Page) -> Page:
        page.route(f"{provider.issuer}/**", lambda route: route.abort("aborted"))
        return page

    yield stay
    expected = (f"request to another host: {provider.issuer}", "console: Failed to load resource")
    complaints[:] = [complaint for complaint in complaints if not complaint.startswith(expected)]


def leave(page: Page, name: str = f"Continue with {ACME}") -> str:
    """Presses the button, and returns the provider's address. The page has then tried to go there."""
    with page.expect_event("requestfailed", lambda request: "/authorize?" in request.url):
        button(page, name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Continue with {ACME}")
    return page.get_by_role("link", name=f"Continue with {ACME}").get_attribute("href") or ""


def answer(page: Page, provider: LyingProvider, **claims: Any) -> str:
    """The path of the provider's answer to a sign-in that begins now."""
    page.goto("/accounts/login/")
    return provider.come_back(leave(page), **claims)


def strangers_places(page, provider, person):
    """Each answer of the provider works once, so each visit begins right before its page."""
    yield Place("sign in", "/accounts/login/")
    yield Place("on the way to the provider", "/accounts/login/", leave)
    yield Place("sign up", "/accounts/signup/")
    yield Place("an answer that nobody asked for", CALLBACK)
    yield Place("cancelled", answer(page, provider).replace("code=", "error=access_denied&code="))
    yield Place("no account connected", answer(page, provider, email=person.email))
    yield Place("no address", answer(page, provider, email=""))
    yield Place("answer not accepted", answer(page, provider).replace("code=", "code=bogus"))
    for _ in range(4):
        page.goto(answer(page, provider).replace("code=", "code=bogus"))
    yield Place("too many failures", answer(page, provider))


def persons_places(person, provider):
    yield Place("not connected", CONNECTIONS)
    yield Place("on the way to connect", CONNECTIONS, lambda page: leave(page, f"Connect {ACME}"))
    old = {"email": f"{'w' * 60}@example.com"}
    SocialAccount.objects.create(
        user=person, provider=f"https://{'w' * 60}.example/{'w' * 120}", uid="x", extra_data=old
    )
    SocialAccount.objects.create(user=person, provider=provider.issuer, uid="ada", extra_data=old)
    yield Place("connected", CONNECTIONS)
    yield Place("confirm", CONFIRM)
    yield Place("confirm with a password", "/accounts/reauthenticate/")
    yield Place("on the way to confirm", CONFIRM, leave)
    yield Place("a problem of a signed-in person", CALLBACK)


def looked_at(page, places):
    """The faults of each place, and the names of all."""
    found, seen = {}, []
    for place in places:
        page.goto(place.address)
        place.prepare(page)
        seen.append(page.get_by_role("heading").first.text_content())
        found |= faults(page, place.name)
        found |= at_every_width(page, place.name)
        if small := page.evaluate(SMALL_TARGETS):
            found[f"{place.name}, targets"] = small
    return found, seen


def test_the_pages_for_strangers_have_no_faults(new_page, stays_here, provider, person):
    """H6"""
    page = stays_here(new_page(reduced_motion="reduce"))
    found, seen = looked_at(page, strangers_places(page, provider, person))
    assert found == {}
    expected = ["Sign in", f"Continue with {ACME}", "Create an account", "Start again", "Cancelled"]
    expected += [f"Connect {ACME} first", "No account was created", "Answer not accepted", "Too many attempts"]
    assert seen == expected


def test_the_page_of_a_provider_that_is_away_has_no_faults(new_page, stays_here, provider):
    """H6"""
    provider.answers["/.well-known/openid-configuration"] = {}
    page = stays_here(new_page(reduced_motion="reduce"))
    unavailable = Place("away", "/accounts/login/", lambda page: button(page, f"Continue with {ACME}").click())
    found, seen = looked_at(page, [unavailable])
    assert (found, seen) == ({}, [f"No answer from {ACME}"])


def test_the_pages_of_a_persons_account_have_no_faults(new_page, stays_here, sign_in, provider, person):
    """H6"""
    page = stays_here(new_page(reduced_motion="reduce"))
    sign_in(page, person)
    found, _ = looked_at(page, persons_places(person, provider))
    assert found == {}


def test_a_person_connects_confirms_and_disconnects_without_script(new_page, stays_here, sign_in, provider, person):
    """H6"""
    page = stays_here(new_page(java_script_enabled=False))
    sign_in(page, person)
    page.goto(CONNECTIONS)
    page.goto(provider.come_back(leave(page, f"Connect {ACME}")))
    expect(page.get_by_text("Your account is connected.")).to_be_visible()
    page.goto(f"{CONFIRM}?next=/help/")
    page.goto(provider.come_back(leave(page), auth_time=int(time.time())))
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    page.goto(CONNECTIONS)
    button(page, "Disconnect").click()
    expect(page.get_by_text("The account is disconnected.")).to_be_visible()


def test_a_person_signs_in_without_script(new_page, stays_here, provider):
    """H6"""
    page = stays_here(new_page(java_script_enabled=False))
    page.goto(answer(page, provider))
    expect(page.get_by_role("heading", level=1)).to_have_text("Create your first project")
