"""The check's own processes: their answers, and the parts of the product that they do not load."""

import os
import subprocess
import sys

import pytest

from apikeys.usage.models import KeyUse
from tests.support.calls.api_helpers import assert_error, get_request, send_raw
from tests.support.environment import ON_SQLITE, REPOSITORY
from tests.support.programs.servers import database_url
from tests.support.settings.production import production_environment

VERIFY = "/api/v1/verify"
ELSEWHERE = [
    *("/", "/admin/", "/accounts/login/", "/static/favicon.svg", "/api/v1/me", "/api/v1/files", "/api/v1/openapi.json"),
    *("/api/v1/report", "/api/v1/verify2", "//api/v1/verify", "/API/v1/verify", "/api/v1/verify%3f", "/health/", "/x"),
    *("/api/v1/verif/y", "/api/v1/verify;/x", "/x/api/v1/verify/", "/health/live/x"),
]
# Packages that only pages and the API need.
PAGES_PACKAGES = {
    "allauth",
    "ninja",
    "pydantic",
    "whitenoise",
    "heroicons",
    "fido2",
    "qrcode",
    "django_htmx",
    "csp.decorators",
}
PAGES_MODULES = {
    *("django.contrib.admin", "django.contrib.sessions", "django.contrib.staticfiles"),
    *(
        "config.urls",
        "config.middleware.every_request",
        "apikeys.keys.services",
        "apikeys.pages.actions",
        "projects.views",
        "accounts.adapter",
        *("common.outbox.models", "common.outbox.senders", "smtplib"),
    ),
}


def test_a_gateway_is_answered_as_at_the_pages_port(server, api_key):
    """The answer is the same, and the call is counted."""
    request = get_request(VERIFY, f"Bearer {api_key.secret}".encode())
    answers = [send_raw(server, request, port=port) for port in (server.port, server.check_port)]
    for answer in answers:
        assert answer.status_code == 204
        assert answer.headers["X-Latchkey-Key"] == api_key.public_id
    assert {name for name, _ in answers[0].headers.items()} == {name for name, _ in answers[1].headers.items()}
    refused = send_raw(server, get_request(VERIFY, b"Bearer wrong"), port=server.check_port)
    assert_error(refused, 401, "key_malformed")


BELOW = [
    "",
    "v1/orders?x=1",
    "?",
    "?x=%00",
    "%00",
    "%0a",
    "%2f..%2f",
    "../../health/live",
    "..",
    "/",
    "//x",
    ";a=b",
    "*",
]
BELOW += ["%FF%C0%AF", "%zz", "%", "a" * 8_000, "?" + "b" * 8_000, "verify", "../me", "%3Cscript%3E", "?a?b#c"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


def test_below_the_check_all_is_the_clients_and_a_good_key_is_200(server, api_key):
    """T44: Envoy adds the client's path and query, uses the client's method, and accepts only 200 as a yes."""
    key = f"Authorization: Bearer {api_key.secret}"
    asked = [("GET", path) for path in BELOW] + [(method, "v1/orders?x=1") for method in METHODS]
    for port in (server.port, server.check_port):
        for method, path in asked:
            for lines, status in (([key], 200), ([], 401), (["Authorization: Bearer wrong"], 401)):
                head = [f"{method} /api/v1/verify/{path} HTTP/1.1", "Host: a", "Connection: close", "Content-Length: 2"]
                answer = send_raw(server, "\r\n".join([*head, *lines, "", "{}"]).encode(), port=port)
                assert answer.status_code == status, (method, path)
                assert "Location" not in answer.headers
                assert answer.headers.get("X-Latchkey-Key") == (api_key.public_id if status == 200 else None)
                if status == 200:
                    assert (answer.content, answer.headers["Content-Length"]) == (b"", "0")
                elif method != "HEAD":
                    assert_error(answer, 401, "key_malformed" if lines else "key_missing")


def test_a_key_in_the_path_or_query_below_the_check_is_no_key(server, api_key):
    for path in (f"?key={api_key.secret}", f"?authorization=Bearer%20{api_key.secret}", api_key.secret):
        for port in (server.port, server.check_port):
            answer = send_raw(server, get_request(f"/api/v1/verify/{path}"), port=port)
            assert_error(answer, 401, "key_missing")
    assert not KeyUse.objects.filter(key=api_key).exists()


def test_servers_that_bring_only_djangos_handler_answer_alike(client, api_key):
    bearer = {"Authorization": f"Bearer {api_key.secret}"}
    for path in ("", "v1/orders?x=1", "%0a", "../me"):
        answer = client.post(f"/api/v1/verify/{path}", headers=bearer)
        assert (answer.status_code, answer.headers["X-Latchkey-Key"]) == (200, api_key.public_id)
        assert_error(client.get(f"/api/v1/verify/{path}"), 401, "key_missing")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_processes_of_the_check_serve_no_page_and_no_other_call(server, api_key, path):
    """T46: no page and no call of the API uses capacity of these processes."""
    answer = send_raw(server, get_request(path, f"Bearer {api_key.secret}".encode()), port=server.check_port)
    assert "PORT" in assert_error(answer, 404, "not_found")
    assert not KeyUse.objects.filter(key=api_key).exists()


def test_the_processes_load_nothing_that_only_pages_need():
    """T46: these processes start fast and stay small, and a fault in a page's library does not affect them."""
    command = [sys.executable, "-c", "import config.check, sys; print(*sys.modules)"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.check_settings"}
    ran = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    loaded = set(ran.stdout.split())
    assert {name.partition(".")[0] for name in loaded} & PAGES_PACKAGES == set()
    assert loaded & PAGES_MODULES == set()


def test_the_processes_of_the_check_answer_health(server):
    """T39: for the check's processes, with their own connections."""
    for path, state in (("/health/live", b"live"), ("/health/ready", b"ready")):
        answer = server.request("GET", path, port=server.check_port)
        assert (answer.status, answer.body) == (200, b'{"status": "%s"}' % state)
        assert answer.headers["Cache-Control"] == "no-store"
        assert server.request("HEAD", path, port=server.check_port).body == b""


@pytest.mark.nodb
def test_without_its_database_the_check_is_live_but_not_ready(without_database):
    """T39"""
    server = without_database
    assert server.request("GET", "/health/live", port=server.check_port).status == 200
    assert server.request("GET", "/health/ready", port=server.check_port).status == 503


@pytest.mark.skipif(ON_SQLITE, reason="production refuses SQLite")
def test_production_refuses_a_key_that_came_over_plain_http(start_server, api_key):
    """T27"""
    environment = {**production_environment(), "DATABASE_URL": database_url()}
    server = start_server(**{**environment, "ALLOWED_HOSTS": "127.0.0.1", "HOUSEKEEPING_SECONDS": "3600"})
    bearer = {"Authorization": f"Bearer {api_key.secret}"}
    for scheme, status in (("http", 403), (None, 403), ("http, https", 403), ("https", 401), ("https, http", 403)):
        headers = {**bearer, "X-Forwarded-Proto": scheme} if scheme else bearer
        for port in (server.port, server.check_port):
            answer = server.request("GET", VERIFY, headers=headers, port=port)
            assert (answer.status, b"https_required" in answer.body) == (status, status == 403), (scheme, port)
