"""T52: every action that makes a usable secret asks for a recent sign-in, and every owner hears of a re-enabled
reported key.
"""

import html
import json
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from apikeys.keys import pausing, services
from apikeys.keys.services import report_leak
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.models import Membership
from tests.product.admin.test_admin import staff_with, url
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.confirmation import asks, confirm
from tests.support.people.emails import ALL
from tests.support.people.sessions import age
from tests.support.places.pages import FETCH, HTMX, action, page, text
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb

SEEN = {"seen": "reported"}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def site(admin, signed_in) -> Client:
    signed: Client = signed_in(admin)
    return signed


@pytest.fixture
def reported(api_key) -> ApiKey:
    report_leak(secret=api_key.secret, address="203.0.113.9")
    api_key.refresh_from_db()
    return api_key


def confirmation_of(key: ApiKey) -> str:
    """The admin's page that shows a key's report."""
    return f"{url('apikeys_apikey_re_enable_reported')}?key={key.public_id}"


# "resume" re-enables a reported key. Every other way is tried with another key.
WAYS: dict[str, tuple[str, str, dict[str, Any], dict[str, str]]] = {
    "create": ("owner", "create", {"name": "Thief"}, {}),
    "create with script": ("owner", "create", {"name": "Thief"}, HTMX),
    "create the first key": ("owner", "create", {"name": "Thief", "next": "onboarding"}, {}),
    "roll": ("owner", "roll", {"overlap": "24h"}, {}),
    "roll with script": ("owner", "roll", {"overlap": "24h"}, HTMX),
    "copy": ("owner", "copy", {}, FETCH),
    "reveal": ("owner", "reveal", {}, {}),
    "re-enable a reported key": ("owner", "resume", SEEN, {}),
    "re-enable a reported key with script": ("owner", "resume", SEEN, HTMX),
    "extend an expired key": ("owner", "edit", {"name": "Production server", "end": "never"}, {}),
    "extend an expired key with script": ("owner", "edit", {"name": "Production server", "end": "+30"}, HTMX),
    # A key that is found elsewhere works there, too.
    "allow an address": ("owner", "allow_address", {"address": "203.0.113.9"}, {}),
    "allow an address with script": ("owner", "allow_address", {"address": "203.0.113.9"}, HTMX),
    # A key whose account is deactivated works again with another person.
    "take a key over": ("owner", "hand_over", {"how": "take"}, {}),
    "take a key over with script": ("owner", "hand_over", {"how": "take"}, HTMX),
    "accept a key": ("owner", "accept_offer", {}, {}),
    "remove a member and roll what they know": ("owner", "remove_member", {}, {}),
    "have secrets stored again": ("owner", "keep_secrets", {}, {}),
    "re-enable a reported key in the admin": ("admin", "", {}, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_makes_a_usable_secret_asks_in_an_old_session(way, client, site, project, viewer, reported):
    """T52: nothing is created, shown or changed before the confirmation."""
    person, name, form, headers = WAYS[way]
    if name == "edit":
        end_key(key=reported, by=None)
    age(browser := client if person == "owner" else site)
    before = everything()
    if person == "admin":
        answer = browser.post(confirmation_of(reported), {"seen": reported.public_id})
    elif name == "remove_member":
        answer = browser.post(page("apikeys:remove_member", project, viewer), {reported.public_id: "roll"})
    elif name in {"create", "keep_secrets"}:
        answer = browser.post(page(f"apikeys:{name}", project), form, headers=headers)
    else:
        answer = browser.post(action(name, reported), form, headers=headers)
    assert asks(answer)
    assert reported.secret not in answer.content.decode()
    assert {table for table, rows in everything().items() if rows != before[table]} <= {"django_session"}


# The form of a new key


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])
@pytest.mark.parametrize("asked_on", ["", "dashboard", "onboarding"])
def test_the_name_that_was_typed_is_there_after_the_confirmation(aged, project, headers, asked_on):
    """T52: only a press of the button creates the key, even if the confirmation comes much later."""
    name = "Bestellung & Söhne"
    answer = aged.post(page("apikeys:create", project), {"name": name, "next": asked_on}, headers=headers)
    back = confirm(aged, answer.headers.get("Location") or answer.headers["HX-Redirect"]).headers["Location"]
    form = aged.get(back).content.decode()
    assert not project.api_keys.exists()
    fields = {field: html.unescape(value) for field, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
    assert fields["name"] == name
    assert fields["next"] == (asked_on or "create")
    fields |= {"access": "full", "networks": "", "rate": "", "quota": ""}  # as the page shows them
    answer = aged.post(page("apikeys:create", project), fields)
    assert project.api_keys.get().name == name
    assert answer.status_code == 302


def test_the_page_of_the_form_asks_before_anything_is_typed(aged, project):
    asked = aged.get(page("apikeys:create", project))
    assert asks(asked)
    assert confirm(aged, asked.headers["Location"]).headers["Location"] == page("apikeys:create", project)


def test_a_secret_that_was_pasted_as_the_name_reaches_no_address(aged, project, api_key):
    """T30, T52: the form rejects such a name before it asks."""
    form = {"name": f"my {api_key.secret}"}
    answer = aged.post(page("apikeys:create", project), form)
    assert answer.status_code == 422
    answer = aged.get(page("apikeys:create", project), form)
    assert api_key.secret not in answer.headers["Location"]


def test_an_address_with_something_else_than_a_name_proposes_one(client, project):
    for typed in ("a\u202eb", "x" * 65, "<script>", " "):
        answer = client.get(page("apikeys:create", project), {"name": typed, "next": "elsewhere"})
        assert answer.status_code == 200
        assert "<script>" not in re.findall(r'name="name" value="([^"]*)"', answer.content.decode())[0]


# Re-enabling a reported key on the pages


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "with script"])
def test_after_the_confirmation_the_person_sees_the_report_and_presses_again(aged, reported, headers):
    """T52"""
    settings_page = page("apikeys:settings", reported.project)
    from_there = headers | {"Referer": f"http://testserver{settings_page}"}
    answer = aged.post(action("resume", reported), SEEN, headers=from_there)
    back = confirm(aged, answer.headers.get("Location") or answer.headers["HX-Redirect"]).headers["Location"]
    assert back == f"{settings_page}#row-{reported.public_id}"
    assert "was reported as leaked" in text(aged.get(back))
    assert not state_of(reported).is_active
    aged.post(action("resume", reported), SEEN, headers=from_there)
    assert state_of(reported).is_active


def state_of(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def test_a_key_that_nobody_reported_is_re_enabled_at_once_also_by_undo(aged, owner, api_key):
    """Undo has to be quick. Undo does not undo a report that came in between
    (tests/apikeys/pages/test_reported_keys.py).
    """
    pausing.pause_key(key=api_key, by=owner)
    assert not asks(aged.post(action("resume", api_key), SEEN))
    assert state_of(api_key).is_active
    report_leak(secret=api_key.secret)
    assert not asks(aged.post(action("resume", api_key)))
    assert state_of(api_key).is_reported


# Every owner gets an email


def by_page(key: ApiKey, browser: Client) -> None:
    browser.post(action("resume", key), SEEN)


def by_admin(key: ApiKey, browser: Client) -> None:
    browser.post(confirmation_of(key), {"seen": key.public_id})


def by_command(key: ApiKey, browser: Client) -> None:
    call_command("resumekey", key.public_id, "--although-reported", verbosity=0)


@pytest.mark.parametrize("way", [by_page, by_admin, by_command])
def test_every_owner_is_told_of_a_reported_key_that_is_re_enabled(
    way, client, site, owner, admin, viewer, reported, told
):
    """T52: owners cannot switch this email off."""
    MembershipFactory(project=reported.project, user=UserFactory(email="second@example.com"))
    Membership.objects.update(**{f"mail_{kind}": False for kind in ALL})
    emails = told(way, reported, site if way is by_admin else client)
    assert [email.to for email in emails] == [[owner.email], ["second@example.com"]]
    assert "Reported API key re-enabled: Production server" in emails[0].subject
    by = {by_page: owner, by_admin: admin, by_command: None}[way]
    assert f"By: {by.email if by else 'an operator of this server'}" in emails[0].body
    event = reported.events.latest("pk")
    assert (event.kind, event.by) == ("resumed_reported", by)
    assert verify(f"Bearer {reported.secret}").code is None
    said = f"{by.email if by else 'An operator of this server'} re-enabled the reported key Production server"
    assert said in text(client.get(page("apikeys:activity", reported.project)))


def test_a_key_that_nobody_reported_is_re_enabled_without_an_email(client, owner, api_key, told):
    pausing.pause_key(key=api_key, by=owner)
    assert told(by_page, api_key, client) == []
    assert api_key.events.latest("pk").kind == "resumed"


# In the admin


def choose(site: Client, *keys: ApiKey) -> Any:
    form = {"action": "re_enable", "_selected_action": [key.pk for key in keys]}
    return site.post(url("apikeys_apikey_changelist"), form)


def test_the_admin_shows_the_report_first(site, project, owner, reported):
    """T52: keys that nobody reported are re-enabled at once."""
    paused = services.create_key(project=project, name="Paused", by=owner).key
    pausing.pause_key(key=paused, by=owner)
    answer = choose(site, reported, paused)
    assert state_of(paused).is_active
    assert state_of(reported).is_reported
    assert answer.headers["Location"] == confirmation_of(reported)
    shown = site.get(answer.headers["Location"])
    assert re.search(
        r"Production server \(key_\w+, .*project Acme Weather: reported on .* from 203\.0\.113\.9", text(shown)
    )
    form = dict(re.findall(r'type="hidden" name="(seen)" value="(\w+)"', shown.content.decode()))
    done = site.post(answer.headers["Location"], form, follow=True)
    assert "1 API key was re-enabled. All owners get an email." in html.unescape(done.content.decode())
    assert state_of(reported).is_active


def test_the_admin_asks_in_an_old_session_and_comes_back_to_the_report(site, reported):
    """T52"""
    age(site)
    there = choose(site, reported).headers["Location"]
    asked = site.get(there)
    assert asks(asked)
    assert confirm(site, asked.headers["Location"]).headers["Location"] == there
    assert state_of(reported).is_reported


def test_the_admin_says_after_the_confirmation_that_the_key_is_not_re_enabled_yet(site, reported):
    """T55: the session became old while the person read the report."""
    there = choose(site, reported).headers["Location"]
    age(site)
    asked = site.post(there, {"seen": reported.public_id}, headers={"Referer": f"http://testserver{there}"})
    page = confirm(site, asked.headers["Location"], follow=True)
    assert "Thanks for confirming it's you. Nothing has been done yet: do it again." in text(page)
    assert "Re-enable, although reported" in page.content.decode()
    assert state_of(reported).is_reported


def test_the_admin_re_enables_only_what_its_form_showed(site, project, owner, reported):
    """T52: the other key was reported after the page was shown."""
    other = services.create_key(project=project, name="Other", by=owner)
    there = choose(site, reported, other.key).headers["Location"] + f"&key={other.key.public_id}"
    report_leak(secret=other.secret)
    site.post(there, {"seen": reported.public_id})
    assert state_of(reported).is_active
    assert state_of(other.key).is_reported


def test_the_admins_confirmation_knows_only_reported_keys(site, api_key):
    for ids in ("", f"?key={api_key.public_id}", "?key=x&key=key_0000000000000000&key=%F0%9F"):
        answer = site.get(url("apikeys_apikey_re_enable_reported") + ids, follow=True)
        assert "None of these keys is reported as leaked now." in text(answer)


def test_staff_who_may_only_look_see_no_report(signed_in, reported):
    browser = signed_in(staff_with("view_apikey"))
    assert browser.get(confirmation_of(reported)).status_code == 403
    assert browser.post(confirmation_of(reported), {"seen": reported.public_id}).status_code == 403
    assert state_of(reported).is_reported


# By command


def test_the_command_wants_to_hear_that_the_report_is_known(reported, capsys):
    """T52"""
    with pytest.raises(CommandError, match=r"was reported as leaked and stays paused.* --although-reported"):
        call_command("resumekey", reported.public_id)
    assert state_of(reported).is_reported


def test_the_command_prints_whom_it_tells(reported, owner, capsys):
    """T52"""
    call_command("resumekey", reported.public_id, "--although-reported")
    assert f"It was reported as leaked. Emailed: {owner.email}." in capsys.readouterr().out
    report_leak(secret=reported.secret)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    call_command("resumekey", reported.public_id, "--although-reported", "--json")
    assert json.loads(capsys.readouterr().out)["told"] == []


def test_the_command_tells_nobody_of_a_key_that_nobody_reported(api_key, capsys):
    pausing.pause_key(key=api_key, by=None)
    call_command("resumekey", api_key.public_id, "--although-reported")
    assert "Emailed:" not in capsys.readouterr().out
