"""T18: every unsafe route needs its CSRF token, and the API takes no session."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.support.factories import FileFactory
from tests.support.places.access import BODIES, KEY, OURS, ROUTES, UNSAFE, name_of, seen
from tests.support.places.pages import text
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb


@pytest.mark.parametrize("persona", ["anonymous", "owner", "admin"])
def test_every_unsafe_route_needs_its_token(persona, project, api_key, owner, viewer, invitation, admin, signed_in):
    """T18"""
    client = Client(enforce_csrf_checks=True)
    if persona != "anonymous":
        client = signed_in({"owner": owner, "admin": admin}[persona], enforce_csrf_checks=True)
    before = everything()
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
    ids["invitation_id"] = invitation.public_id
    for route in ROUTES.values():
        if route.is_api:
            continue
        for method in UNSAFE if route.is_page else ("POST",):
            data: Any = BODIES.get(route.pattern, {}) if method == "POST" else ""
            answer = getattr(client, method.lower())(route.path(**ids), data=data)
            assert answer.status_code == 403, (method, route.pattern)
            assert "<h1>The cookie is missing</h1>" in answer.content.decode(), (method, route.pattern)
    assert everything() == before


def test_a_token_of_another_session_is_refused(project, api_key, owner, signed_in):
    """T18"""
    client = signed_in(owner, enforce_csrf_checks=True)
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    client.get(f"/projects/{project.public_id}/settings/")
    refused = client.post(path, {"csrfmiddlewaretoken": "a" * 64})
    assert refused.status_code == 403
    assert "<h1>This form has expired</h1>" in refused.content.decode()
    assert client.post(path, headers={"X-CSRFToken": "b" * 32}).status_code == 403
    api_key.refresh_from_db()
    assert api_key.is_active


def test_the_token_of_the_page_is_accepted(project, api_key, owner, signed_in):
    """T18: the counter-check. Without it, rejecting everything would pass."""
    client = signed_in(owner, enforce_csrf_checks=True)
    page = client.get(f"/projects/{project.public_id}/settings/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    assert client.post(path, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    api_key.refresh_from_db()
    assert api_key.is_paused


@pytest.mark.parametrize("route", [route for route in OURS if route.is_api], ids=name_of)
def test_the_api_has_no_ambient_authority(route, project, api_key, owner, signed_in):
    """T18: the API asks for no token, because a session gives no rights: an owner's session counts as none."""
    file = FileFactory(project=project)
    path = route.path(file_id=file.public_id)
    session, nobody = signed_in(owner, enforce_csrf_checks=True), Client()
    before = everything()
    for method in UNSAFE:
        with_session, without = (seen(getattr(client, method.lower())(path)) for client in (session, nobody))
        assert with_session == without
        assert with_session[0] in ({400, 404, 405} if "report" in route.pattern else {401, 405})
    assert everything() == before


# The error page


@pytest.fixture
def form(db) -> tuple[Client, dict[str, str]]:
    """A browser on the sign-in page, and the fields of its form."""
    client = Client(enforce_csrf_checks=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(SIGN_IN).content.decode())
    assert token
    return client, {"csrfmiddlewaretoken": token[1], "login": "ada@example.com", "password": "wrong"}


SIGN_IN = "/accounts/login/"
HTTPS = {"X-Forwarded-Proto": "https"}
ORIGIN, COOKIE, EXPIRED = "This form came from another address", "The cookie is missing", "This form has expired"


def warnings(caplog: Any) -> list[Any]:
    """The log lines besides the one that each request has."""
    lines = [record.msg for record in caplog.records if record.levelname == "WARNING"]
    return [line for line in lines if line["event"] != "request_finished"]


@pytest.mark.parametrize(
    ("headers", "received", "expected"),
    [
        ({"Origin": "https://keys.example"}, "https://keys.example", "http://testserver"),
        ({"Origin": "http://testserver:8000"}, "http://testserver:8000", "http://testserver"),
        ({"Origin": "<script>"}, "<script>", "http://testserver"),
        ({"Referer": "https://ann:word@other.example/a?q=1", **HTTPS}, "https://other.example", "https://testserver"),
        ({"Referer": "http://testserver/a", **HTTPS}, "http://testserver", "https://testserver"),
    ],
)
def test_a_form_from_another_address_is_told_which_address_and_so_is_the_log(
    form, settings, caplog, headers, received, expected
):
    """T53: a proxy that changes Host or does not announce https breaks every form this way. The log gets one line."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example"]
    client, fields = form
    answer = client.post(SIGN_IN, fields, headers={"Host": "testserver", **headers})
    assert answer.status_code == 403
    words = text(answer)
    assert ORIGIN in words
    assert f"It came from {received} ." in words
    assert f"accepted from {expected}, https://trusted.example" in words
    assert "<script>" not in answer.content.decode()
    assert all(name in words for name in ("BASE_URL", "Host", "X-Forwarded-Proto"))
    [line] = warnings(caplog)
    assert line["event"] == "csrf_refused"
    assert line["reason"].startswith(f"{next(iter(headers))} checking failed")
    assert (line["received"], line["expected"]) == (received, [expected, "https://trusted.example"])
    assert line["base_url"] == settings.BASE_URL
    assert "word" not in str(line)


@pytest.mark.parametrize("headers", [HTTPS, {"Origin": "null"}])
def test_a_browser_that_hides_where_a_form_came_from_is_told_so(form, settings, headers):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client, fields = form
    words = text(client.post(SIGN_IN, fields, headers=headers))
    assert "Your browser hides where this form came from" in words
    assert ORIGIN not in words


@pytest.mark.parametrize("cookie", [None, "", "short", "?" * 32])
def test_a_missing_or_broken_cookie_is_named(form, caplog, cookie):
    client, fields = form
    if cookie is None:
        client.cookies.clear()
    else:
        client.cookies["csrftoken"] = cookie
    words = text(client.post(SIGN_IN, fields))
    assert COOKIE in words
    assert "Allow cookies" in words
    [line] = warnings(caplog)
    assert line["event"] == "csrf_refused"
    assert "received" not in line


def test_a_form_of_an_earlier_sign_in_has_expired(form):
    client, fields = form
    client.cookies["csrftoken"] = "a" * 32
    words = text(client.post(SIGN_IN, fields))
    assert EXPIRED in words
    assert "cookie" not in words.lower()
