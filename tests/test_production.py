"""Production over HTTP, behind a proxy that ends TLS."""

import re
from urllib.parse import urlencode

import pytest
from allauth.account.models import EmailAddress

from tests.environment import ON_SQLITE
from tests.factories import UserFactory
from tests.production import production_environment
from tests.servers import Answer, database_url

pytestmark = pytest.mark.skipif(ON_SQLITE, reason="production refuses SQLite")

HTTPS = {"Host": "keys.example.com", "X-Forwarded-Proto": "https"}
HTTP = {"Host": "keys.example.com"}


@pytest.fixture
def production(start_server):
    # The tests' own probe for liveness comes by the address.
    hosts = "keys.example.com,127.0.0.1"
    environment = {**production_environment(), "ALLOWED_HOSTS": hosts, "DATABASE_URL": database_url()}
    return start_server(TRUSTED_PROXIES="1", **environment)


def cookies_of(answer: Answer) -> dict[str, set[str]]:
    """Each cookie's attributes by its `name=value` pair."""
    lines = answer.headers.get_all("Set-Cookie") or []
    return {pair: set(attributes) for pair, *attributes in (line.split("; ") for line in lines)}


def test_cookies_are_safe_and_the_session_changes_at_login(production):
    """T20"""
    user = UserFactory(email="ada@example.com", password="correct horse battery")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    page = production.request("GET", "/accounts/login/", headers=HTTPS)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body.decode())
    assert token
    planted = "__Host-session=chosenbyanattacker0000000000000"
    answer = production.request(
        "POST",
        "/accounts/login/",
        urlencode({"csrfmiddlewaretoken": token[1], "login": user.email, "password": "correct horse battery"}),
        headers={
            **HTTPS,
            "Cookie": "; ".join([*cookies_of(page), planted]),
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": "https://keys.example.com/accounts/login/",
        },
    )
    assert answer.status == 302
    cookies = {**cookies_of(page), **cookies_of(answer)}
    assert planted not in cookies
    assert {"__Host-session", "__Host-csrf"} <= {pair.partition("=")[0] for pair in cookies}
    for pair, attributes in cookies.items():
        assert attributes >= {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"}, pair
        assert pair.startswith("__Host-"), pair
        assert not any(attribute.startswith("Domain") for attribute in attributes), pair


def test_the_api_is_refused_over_plain_http_and_never_redirected(production):
    """T27"""
    for path in ("/api/v1/me", "/api/v1/verify", "/api/v1/files", "/api/v1/no-such-thing", "/api/"):
        for method in ("GET", "POST", "OPTIONS"):
            for headers in (HTTP, HTTP | {"X-Forwarded-Proto": "http"}, HTTP | {"Authorization": "Bearer lk_x"}):
                answer = production.request(method, path, headers=headers)
                assert (answer.status, answer.headers["Location"]) == (403, None)
                assert b"https_required" in answer.body


def test_pages_are_led_to_https_and_kept_there(production):
    answer = production.request("GET", "/accounts/login/", headers=HTTP)
    assert (answer.status, answer.headers["Location"]) == (301, "https://keys.example.com/accounts/login/")
    answer = production.request("GET", "/accounts/login/", headers=HTTPS)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


def test_a_foreign_host_is_refused(production):
    assert production.request("GET", "/accounts/login/", headers={**HTTPS, "Host": "evil.example"}).status == 400


def test_liveness_is_told_without_https(production):
    """A supervisor asks the process directly."""
    assert production.request("GET", "/health/live").status == 200
