"""A signed-out person is redirected to the login, and back to the same page afterwards."""

import pytest
from django.test import Client

from accounts.sessions.store import SessionStore
from tests.support.factories import PASSWORD
from tests.support.people.accounts import log_in
from tests.support.places.access import BODIES, ROUTES
from tests.support.places.pages import ACTIONS, FETCH, HTMX, action, page, text
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb

SIGNED_OUT = "You were signed out. Nothing was changed."


@pytest.mark.parametrize("name", ACTIONS)
def test_a_signed_out_post_leads_to_the_login_and_back_to_its_very_page(name, api_key):
    settings = page("apikeys:settings", api_key.project)
    path, login = action(name, api_key), f"/accounts/login/?next={settings}%3Fpage%3D2"
    referer = {"Referer": f"http://testserver{settings}?page=2"}
    answer = Client().post(path, headers=referer)
    assert (answer.status_code, answer.headers["Location"]) == (302, login)
    htmx = Client().post(path, headers=HTMX | referer)
    assert (htmx.status_code, htmx.headers["HX-Redirect"], htmx.content) == (200, login, b"")
    fetched = Client().post(path, headers=FETCH | referer)
    assert (fetched.status_code, fetched.json()) == (401, {"login": login})


def test_a_script_whose_cookies_are_all_gone_is_led_to_the_login_and_a_form_is_told_so(api_key):
    settings = page("apikeys:settings", api_key.project)
    client, referer = Client(enforce_csrf_checks=True), {"Referer": f"http://testserver{settings}"}
    login = f"/accounts/login/?next={settings}"
    htmx = client.post(action("pause", api_key), headers=HTMX | referer)
    assert htmx.headers["HX-Redirect"] == login
    assert SIGNED_OUT in text(client.get(login))
    fetched = client.post(action("copy", api_key), headers=FETCH | referer)
    assert (fetched.status_code, fetched.json()) == (401, {"login": login})
    assert client.post(action("pause", api_key), headers=referer).status_code == 403


@pytest.mark.parametrize("referer", [None, "https://evil.example/x", "http://testserver:81/x"])
def test_without_a_page_of_ours_a_signed_out_post_leads_home(referer, api_key):
    headers = {"Referer": referer} if referer else {}
    assert Client().post(action("pause", api_key), headers=headers).headers["Location"] == "/accounts/login/?next=/"


def test_a_signed_out_look_leads_back_to_the_very_address(api_key):
    path = page("apikeys:settings", api_key.project) + "?state=paused&q=a"
    answer = Client().get(path)
    assert answer.headers["Location"] == "/accounts/login/?next=" + path.replace("?", "%3F").replace(
        "=", "%3D"
    ).replace("&", "%26")


def test_signing_in_leads_to_where_one_was_going(owner, api_key):
    owner.set_password("correct horse battery")
    owner.save()
    path = page("apikeys:settings", api_key.project)
    client = Client()
    login = client.get(path).headers["Location"]
    answer = client.post(login, {"login": owner.email, "password": "correct horse battery"})
    assert answer.headers["Location"] == path


def end_session(client: Client) -> None:
    """Ends the session as its owner does in another browser, on the list of sessions."""
    SessionStore(client.session.session_key).delete()


def login_after(answer) -> str:
    """The redirect target for htmx, for a script and for a browser without script."""
    if answer.headers.get("Content-Type") == "application/json":
        return answer.json()["login"]
    return answer.headers.get("HX-Redirect") or answer.headers["Location"]


PRIVATE = [route for route in ROUTES.values() if not route.is_api and not route.is_open]


@pytest.mark.parametrize("headers", [{}, HTMX, FETCH], ids=["without script", "htmx", "script"])
def test_every_action_after_the_session_ended_elsewhere_says_so_and_leads_back(
    headers, project, api_key, owner, viewer, invitation, signed_in
):
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
    ids["invitation_id"] = invitation.public_id
    back = page("apikeys:settings", project)
    client = signed_in(owner)
    end_session(client)
    before = everything()
    for route in PRIVATE:
        sent = {"Referer": f"http://testserver{back}", **headers}
        answer = client.post(route.path(**ids), BODIES.get(route.pattern, {}), headers=sent)
        login = login_after(answer)
        assert login == f"/accounts/login/?next={back}", route.pattern
        assert text(client.get(login)).count(SIGNED_OUT) == 1, route.pattern
    assert SIGNED_OUT not in text(client.get(login)), "the page says it only once"
    assert everything() == before


def test_after_signing_in_again_the_page_is_back_and_the_action_works(api_key, owner, signed_in):
    client, settings = signed_in(owner), page("apikeys:settings", api_key.project)
    end_session(client)
    answer = client.post(action("pause", api_key), headers={"Referer": f"http://testserver{settings}?page=2", **HTMX})
    back = log_in(client, owner, PASSWORD, next=f"{settings}?page=2")
    assert answer.headers["HX-Redirect"].endswith("%3Fpage%3D2")
    assert back.headers["Location"] == f"{settings}?page=2"
    client.post(action("pause", api_key))
    api_key.refresh_from_db()
    assert api_key.is_paused


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "htmx"])
def test_looking_after_the_session_ended_says_nothing_of_changes(headers, project, owner, signed_in):
    client = signed_in(owner)
    end_session(client)
    for ask in (client.get, client.head, client.options):
        login = login_after(ask(page("apikeys:settings", project), headers=headers))
        assert SIGNED_OUT not in text(client.get(login))


def test_a_page_of_an_error_leads_a_signed_out_person_to_the_sign_in(owner, signed_in):
    assert "Go to your projects" in text(signed_in(owner).get("/nothing/"))
    found = text(Client().get("/nothing/"))
    assert ("Sign in" in found, "Go to your projects" in found) == (True, False)
