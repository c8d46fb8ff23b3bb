"""/verify: a gateway calls it before it forwards a request."""

import time
from datetime import timedelta
from email.utils import formatdate
from typing import Any, NoReturn

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.lifetimes.ends import change_end
from apikeys.secrets import secret_format
from apikeys.usage import counting
from projects.services import delete_project
from tests.support.calls.api_helpers import assert_error, get_request, send_raw
from tests.support.environment import ON_SQLITE
from tests.support.stored.statements import assert_statements

VERIFY = "/api/v1/verify"
HEADERS = ("X-Latchkey-Key", "X-Latchkey-Project", "X-Latchkey-User")
pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "ANYTHING"]


def assert_lets_in(response: Any, api_key: Any) -> None:
    assert response.status_code == 204
    assert response.content == b""
    named = [response.headers[name] for name in HEADERS]
    assert named == [api_key.public_id, api_key.project.public_id, api_key.created_by.public_id]
    assert response.headers["X-Request-Id"].startswith("req_")
    assert "no-store" in response.headers["Cache-Control"]
    assert "Set-Cookie" not in response.headers


def test_a_good_key_is_answered_with_three_headers(client, api_key, bearer):
    """P2"""
    assert_lets_in(client.get(VERIFY, headers=bearer), api_key)


def test_a_key_that_ends_within_30_days_says_when(client, api_key, owner, bearer):
    """P14 X-Latchkey-Expires is an HTTP date, also in the answer below the path."""
    for days, says in ((31, False), (29, True)):
        end = timezone.now() + timedelta(days=days)
        change_end(key=api_key, expires_at=end, by=owner)
        for path in (VERIFY, f"{VERIFY}/v1/orders"):
            said = client.get(path, headers=bearer).headers.get("X-Latchkey-Expires")
            assert said == (formatdate(end.timestamp(), usegmt=True) if says else None)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_answered_alike(client, api_key, bearer, method):
    assert_lets_in(client.generic(method, VERIFY, headers=bearer), api_key)
    refusal = client.generic(method, VERIFY)
    assert refusal.status_code == 401
    assert refusal["WWW-Authenticate"] == 'Bearer realm="api"'
    if method != "HEAD":
        assert_error(refusal, 401, "key_missing")


@pytest.mark.parametrize("state", ["active", "unknown", "paused", "deleted"])
def test_a_check_costs_one_query(client, api_key, owner, bearer, state):
    """T3: this covers the whole request, including middleware."""
    if state == "unknown":
        bearer = {"Authorization": f"Bearer {secret_format.generate('lk_')}"}
    if state == "paused":
        pausing.pause_key(key=api_key, by=owner)
    if state == "deleted":
        services.delete_key(key=api_key, by=owner)
    client.get(VERIFY)  # the first request of a process loads modules
    with assert_statements(1):
        response = client.get(VERIFY, headers=bearer)
    if state == "active":
        assert_lets_in(response, api_key)
    else:
        assert_error(response, 401, f"key_{state}")


def test_a_session_gives_no_entry(signed_in, owner):
    browser = signed_in(owner)
    assert_error(browser.get(VERIFY), 401, "key_missing")
    assert_error(browser.get(VERIFY, headers={"Authorization": "Bearer x"}), 401, "key_malformed")


def test_a_session_costs_no_query(signed_in, owner, bearer):
    """T2, T3: a gateway forwards the visitor's cookies, and anyone can send a session cookie."""
    browser = signed_in(owner)
    browser.get(VERIFY)
    with assert_statements(1):
        browser.get(VERIFY, headers=bearer)


def test_no_refusal_carries_the_three_headers(client, api_key, owner, bearer):
    def headers_of_refusal() -> set[str]:
        response = client.get(VERIFY, headers=bearer)
        assert response.status_code in {401, 403}
        return set(HEADERS) & set(response.headers)

    pausing.pause_key(key=api_key, by=owner)
    assert headers_of_refusal() == set()
    pausing.resume_key(key=api_key, by=owner)
    owner.is_active = False
    owner.save()
    assert headers_of_refusal() == set()


def test_headers_that_a_client_sends_itself_are_not_echoed(client, api_key, bearer):
    forged = dict.fromkeys(HEADERS, "forged")
    assert_lets_in(client.get(VERIFY, headers={**bearer, **forged}), api_key)
    assert not set(HEADERS) & set(client.get(VERIFY, headers=forged).headers)


class Unread:
    """A body that must not be read."""

    def read(self, *args: Any) -> NoReturn:
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
def test_no_body_is_read(client, api_key, bearer, content_type):
    body = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000000", "CONTENT_TYPE": content_type}
    assert_lets_in(client.generic("POST", VERIFY, headers=bearer, **body), api_key)
    assert_error(client.generic("POST", VERIFY, **body), 401, "key_missing")


@pytest.mark.parametrize("length", ["", "-1", "abc", "9" * 30, "9" * 10_000])
def test_a_content_length_that_is_none_changes_nothing(client, api_key, bearer, length):
    assert_lets_in(client.generic("POST", VERIFY, headers=bearer, CONTENT_LENGTH=length), api_key)


def test_a_check_needs_no_csrf_token(api_key, bearer):
    assert_lets_in(Client(enforce_csrf_checks=True).post(VERIFY, {"a": "b"}, headers=bearer), api_key)


def test_refusals_of_a_deleted_project_and_a_deactivated_creator(client, api_key, project, owner, bearer):
    owner.is_active = False
    owner.save()
    assert "deactivated" in assert_error(client.get(VERIFY, headers=bearer), 403, "forbidden")
    delete_project(project=project, by=None)
    assert_error(client.get(VERIFY, headers=bearer), 401, "key_deleted")


# Use


def test_a_call_that_is_let_in_sets_when_and_from_where(client, api_key, bearer):
    client.get(VERIFY, headers=bearer, REMOTE_ADDR="203.0.113.7")
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_at is not None
    assert api_key.last_used_address == "203.0.113.7"


@pytest.mark.parametrize("path", [VERIFY, "/api/v1/me", "/api/v1/files"])
def test_a_call_that_is_refused_is_no_use(client, api_key, owner, bearer, path):
    pausing.pause_key(key=api_key, by=owner)
    assert_error(client.get(path, headers=bearer), 401, "key_paused")
    client.get(path, headers={"Authorization": f"Bearer {api_key.secret} x"})
    counting.flush()
    api_key.refresh_from_db()
    assert (api_key.last_used_at, api_key.last_used_address) == (None, None)


def test_an_address_that_the_client_claims_is_not_believed(client, api_key, bearer, settings):
    client.get(VERIFY, headers={**bearer, "X-Forwarded-For": "198.51.100.1"}, REMOTE_ADDR="203.0.113.7")
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_address == "203.0.113.7"


def test_behind_a_trusted_proxy_the_address_is_the_one_it_saw(client, api_key, bearer, settings):
    settings.TRUSTED_PROXIES = 1
    claimed = {"X-Forwarded-For": "192.0.2.1, 198.51.100.1"}
    client.get(VERIFY, headers={**bearer, **claimed}, REMOTE_ADDR="203.0.113.7")
    counting.flush()
    api_key.refresh_from_db()
    assert api_key.last_used_address == "198.51.100.1"


# The real server


def _post(api_key: Any, *fields: str) -> bytes:
    head = [f"POST {VERIFY} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {api_key.secret}", *fields]
    return "\r\n".join([*head, "", ""]).encode()


def test_the_real_server_answers_before_a_promised_body_comes(server, api_key):
    head = _post(api_key, "Content-Length: 1000000000000", "Connection: close")
    assert_lets_in(send_raw(server, head), api_key)
    assert_lets_in(send_raw(server, head, b"x" * 1000), api_key)


def test_the_real_server_answers_though_body_and_length_disagree(server, api_key):
    assert_lets_in(send_raw(server, _post(api_key, "Content-Length: 5"), b"x" * 100_000), api_key)
    head = _post(api_key, "Transfer-Encoding: chunked", "Connection: close")
    assert_lets_in(send_raw(server, head, b"this is no chunk\r\n"), api_key)


def test_the_real_server_answers_a_body_of_the_wrong_kind(server, api_key):
    head = _post(api_key, "Content-Type: multipart/form-data; boundary=b", "Content-Length: 20", "Connection: close")
    assert_lets_in(send_raw(server, head, b"\x00" * 20), api_key)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_the_real_server_takes_any_method(server, api_key, method):
    request = get_request(VERIFY, f"Bearer {api_key.secret}".encode()).replace(b"GET", method.encode(), 1)
    assert_lets_in(send_raw(server, request), api_key)


def test_use_is_written_by_the_real_server_soon(server, api_key):
    assert send_raw(server, get_request(VERIFY, f"Bearer {api_key.secret}".encode())).status_code == 204
    deadline = time.monotonic() + 60
    while api_key.last_used_at is None and time.monotonic() < deadline:
        time.sleep(0.05)
        api_key.refresh_from_db()
    assert api_key.last_used_at is not None
    assert api_key.last_used_address == "127.0.0.1"


def test_the_log_names_the_key_and_never_its_secret(server, api_key):
    """T29: one part of the promise."""
    send_raw(server, get_request("/api/v1/me", f"Bearer {api_key.secret}".encode()))
    send_raw(server, get_request(VERIFY, f"Bearer {api_key.secret}".encode()))
    refused = send_raw(server, get_request(VERIFY, f"Bearer {api_key.secret} x".encode())).headers["X-Request-Id"]
    deadline = time.monotonic() + 60
    while refused not in server.log_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert refused in server.log_text()
    assert api_key.public_id in server.log_text()
    assert api_key.secret[3:] not in server.log_text()


@pytest.mark.skipif(ON_SQLITE, reason="SQLite is a file, not a server that can be away")
def test_without_its_database_the_server_lets_nobody_in(without_database, api_key):
    """T35: one part of the promise."""
    server = without_database
    for path in (VERIFY, "/api/v1/me", "/api/v1/files", "/api/v1/files/file_0000000000000000"):
        assert_error(send_raw(server, get_request(path, f"Bearer {api_key.secret}".encode())), 503, "unavailable")
        assert_error(send_raw(server, get_request(path, b"Bearer x")), 401, "key_malformed")
        assert_error(send_raw(server, get_request(path)), 401, "key_missing")
