"""The log gives the reason for every 400 about a host and for every 503."""

import re
import time

import pytest
from django.urls import reverse

from apikeys.secrets.secret_format import generate
from common import outages
from common.slow_clients import transfers
from common.slow_clients.slots import Slots
from config.environment.local_secrets import new_ring
from tests.support.calls.api_client import call_with, new_file
from tests.support.programs.postgres import free_port

FORGED = 'evil.test\nlevel="error" event="forged"'


@pytest.fixture(autouse=True)
def fresh(monkeypatch) -> None:
    """Forgets that anything was logged a moment ago."""
    monkeypatch.setattr(outages, "_last_lines", {})


@pytest.mark.nodb
def test_a_refused_host_is_one_line_with_the_host_and_the_setting(client, lines):
    for host in ("evil.test", FORGED, "x" * 10_000):
        assert client.get("/accounts/login/", headers={"Host": host}).status_code == 400
    refused = [line for line in lines.getvalue().splitlines() if "host_refused" in line]
    assert len(refused) == 3
    assert all("ALLOWED_HOSTS=" in line and "'testserver'" in line and len(line) < 600 for line in refused)
    assert "host='evil.test'" in refused[0]
    assert not re.search(r"(?m)^level=", lines.getvalue())
    assert "Traceback" not in lines.getvalue()


@pytest.mark.nodb
def test_a_host_that_the_api_refuses_is_logged_too(client, lines):
    assert client.get("/api/v1/no-such-thing", headers={"Host": "evil.test"}).status_code in {400, 404}
    assert client.get("/api/", headers={"Host": "evil test"}).status_code == 400
    assert "host='evil test'" in lines.getvalue()


def test_without_its_database_every_503_says_why(start_server):
    """T54: on a server without its database, every 503 has a reason: pages, API, check and readiness."""
    port = free_port()
    server = start_server(DATABASE_URL=f"postgresql://latchkey@127.0.0.1:{port}/latchkey")
    key = {"Authorization": f"Bearer {generate('lk_')}"}
    cookie = {"Cookie": "sessionid=" + "a" * 32}
    assert "event='not_ready'" in server.log_text(), "the log says it already at the start"
    for path, headers, asked in (
        ("/", cookie, server.port),
        ("/api/v1/me", key, server.port),
        ("/api/v1/files", key, server.port),
        ("/api/v1/verify", key, server.check_port),
        ("/health/ready", {}, server.port),
        ("/health/ready", {}, server.check_port),
    ):
        time.sleep(outages.SECONDS_BETWEEN_LINES)
        before = len(server.log_text())
        assert server.request("GET", path, headers=headers, port=asked).status == 503
        said = [line for line in server.log_text()[before:].splitlines() if "error=" in line]
        assert any("Connection refused" in line for line in said), (path, server.log_text()[before:])
    assert "Traceback" not in server.log_text()


def test_a_503_of_a_key_ring_says_why(client, owner, signed_in, project, api_key, settings, lines):
    settings.KEY_RING = new_ring().replace("k1:", "k9:")
    path = reverse("apikeys:copy", args=[project.public_id, api_key.public_id])
    assert signed_in(owner).post(path, headers={"Accept": "application/json"}).status_code == 503
    assert_says(lines, "KEY_RING has no key 'k1'.")


def test_a_503_of_too_much_at_once_says_why(client, api_key, project, monkeypatch, lines):
    slots = Slots(1)
    slots.take()
    monkeypatch.setattr(transfers, "_downloads", slots)
    file = new_file(project=project)
    assert call_with(client, api_key, "get", f"/api/v1/files/{file.public_id}/content").status_code == 503
    assert_says(lines, "as many files as it may at once (THREADS)")


def assert_says(lines, cause: str) -> None:
    [line] = [line for line in lines.getvalue().splitlines() if "status=503" in line]
    assert cause in line


@pytest.mark.nodb
def test_a_proxy_that_does_not_say_which_protocol_it_speaks_is_named(client, settings, lines):
    """Without the protocol, every page would redirect to itself. The proxy may also send nothing about the client."""
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    client.get("/accounts/login/", headers={"X-Forwarded-Proto": "http"})
    client.get("/health/live")  # supervisors ask without a proxy
    assert "sends no X-Forwarded-Proto" not in lines.getvalue()
    client.get("/accounts/login/")
    assert "sends no X-Forwarded-Proto" in lines.getvalue()
