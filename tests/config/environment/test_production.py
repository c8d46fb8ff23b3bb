"""Production over HTTP, behind a proxy that ends TLS."""

import re
from urllib.parse import urlencode

import pytest
from allauth.account.models import EmailAddress

from projects.models import Project
from tests.fuzz.wire import exchange
from tests.support.environment import ON_SQLITE
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.programs.servers import Answer, Server, database_url
from tests.support.settings.production import production_environment

pytestmark = pytest.mark.skipif(ON_SQLITE, reason="production refuses SQLite")

HTTPS = {"Host": "keys.example.com", "X-Forwarded-Proto": "https"}
PLANTED = "chosenbyanattacker00000000000000"
HTTP = {"Host": "keys.example.com"}


@pytest.fixture
def production(start_server):
    # The tests' own liveness probe uses the IP address.
    hosts = "keys.example.com,127.0.0.1"
    environment = {**production_environment(), "ALLOWED_HOSTS": hosts, "DATABASE_URL": database_url()}
    return start_server(HOUSEKEEPING_SECONDS="3600", **environment)


class Visitor:
    """A person's browser behind the proxy. It keeps cookies and every Set-Cookie line that it received."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.lines: list[str] = []

    def visit(self, path: str, fields: dict[str, str] | None = None) -> Answer:
        """A GET, or with `fields` a POST of these fields with the CSRF token of the page at `path`."""
        headers = {**HTTPS, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if fields is not None:
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.visit(path).body.decode())
            assert token
            body = urlencode({"csrfmiddlewaretoken": token[1], **fields})
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Referer": f"https://{HTTPS['Host']}{path}",
            }
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.server.request("GET" if body is None else "POST", path, body, headers)
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.lines.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


@pytest.fixture
def visitor(production) -> Visitor:
    """Ada, signed in, with a project."""
    ada = UserFactory(email="ada@example.com", password="correct horse battery")
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    MembershipFactory(user=ada, project=ProjectFactory(created_by=ada))
    visitor = Visitor(production)
    visitor.cookies["__Host-session"] = PLANTED
    assert visitor.visit("/accounts/login/", {"login": ada.email, "password": "correct horse battery"}).status == 302
    return visitor


def test_the_session_changes_at_login(visitor):
    """T20"""
    assert visitor.cookies["__Host-session"] not in {"", PLANTED}


def test_every_cookie_is_safe(visitor):
    """T20"""
    settings_page = f"/projects/{Project.objects.get().public_id}/settings/"
    assert visitor.visit(settings_page, {"name": "Acme Weather"}).status == 302
    assert {"__Host-session", "__Host-csrf"} <= visitor.cookies.keys()
    # A cookie that is being deleted is empty.
    for line in (line for line in visitor.lines if "Max-Age=0" not in line):
        pair, *attributes = line.split("; ")
        assert pair.startswith("__Host-"), line
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes), line
        assert "Domain" not in line


def test_the_api_is_refused_over_plain_http_and_never_redirected(production):
    """T27"""
    for path in ("/api/v1/me", "/api/v1/verify", "/api/v1/files", "/api/v1/report", "/api/v1/no-such-thing", "/api/"):
        for method in ("GET", "POST", "OPTIONS"):
            for headers in (HTTP, HTTP | {"X-Forwarded-Proto": "http"}, HTTP | {"Authorization": "Bearer lk_x"}):
                answer = production.request(method, path, headers=headers)
                assert (answer.status, answer.headers["Location"]) == (403, None)
                assert b"https_required" in answer.body


CLAIMS = {
    ("https",): True,
    ("https, https",): True,
    ("https", "https"): True,
    ("HTTPS",): True,
    ("wss",): True,
    ("WSS, Https",): True,
    ("ws",): False,
    ("wss, http",): False,
    ("httpswss",): False,
    ("https, http",): False,
    ("https,http",): False,
    ("http, https",): False,
    ("https", "http"): False,
    ("http", "https"): False,
    ("https, ",): False,
    ("https", ""): False,
    ("https;http",): False,
    ("https, https, http",): False,
}


def test_a_list_of_protocols_is_https_only_if_every_entry_is(production):
    """T27, T44: a proxy that adds an entry or a header leaves the client's claim in front of its own entry."""
    for lines, is_https in CLAIMS.items():
        claim = "".join(f"X-Forwarded-Proto: {line}\r\n" for line in lines)
        for path, refused in (("/api/v1/verify", 403), ("/api/v1/me", 403), ("/accounts/login/", 301)):
            request = f"GET {path} HTTP/1.1\r\nHost: keys.example.com\r\nConnection: close\r\n{claim}\r\n"
            for port in (production.port, *([production.check_port] if path == "/api/v1/verify" else [])):
                answer = exchange(port, request.encode())
                assert (answer.status == refused) is not is_https, (lines, path, answer.status)


def test_pages_are_led_to_https_and_kept_there(production):
    answer = production.request("GET", "/accounts/login/", headers=HTTP)
    assert (answer.status, answer.headers["Location"]) == (301, "https://keys.example.com/accounts/login/")
    answer = production.request("GET", "/accounts/login/", headers=HTTPS)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_foreign_host_is_refused(production):
    assert production.request("GET", "/accounts/login/", headers={**HTTPS, "Host": "evil.example"}).status == 400


def test_liveness_is_told_without_https(production):
    """A supervisor calls the process directly."""
    assert production.request("GET", "/health/live").status == 200
