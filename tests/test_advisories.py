"""The check of dependencies fails for a known weakness and for nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from tests.support import advisories
from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.uv import find_uv

pytestmark = [pytest.mark.nodb, pytest.mark.slow]

ADVISORY = {
    "id": "PYSEC-2099-1",
    "modified": "2099-01-01T00:00:00Z",
    "published": "2099-01-01T00:00:00Z",
    "summary": "Lets anyone in",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


@pytest.fixture
def uv() -> str:
    return find_uv()


@contextmanager
def service(answer: Any) -> Iterator[str]:
    """The address of a server that speaks OSV's protocol. `answer` gets each query of a batch."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            questions = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            self.send({"results": [answer(question["package"]["name"]) for question in questions]})

        def do_GET(self) -> None:
            self.send(ADVISORY)

        def send(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_known_weakness_fails_the_check_and_is_named(uv, capsys):
    with service(lambda name: {"vulns": [ADVISORY]} if name == "django" else {}) as address:
        assert advisories.main(uv, address) == 1
    said = capsys.readouterr().out
    assert "1 known vulnerabilities" in said
    assert "Lets anyone in (PYSEC-2099-1)" in said
    assert "fixed in: 99.1" in said


def test_every_locked_package_is_asked_about(uv, capsys):
    asked: list[str] = []
    with service(lambda name: asked.append(name) or {}) as address:
        assert advisories.main(uv, address) == 0
    locked = (REPOSITORY / "uv.lock").read_text().count('\nsource = { registry = "')
    assert len(asked) == locked
    assert f"{locked} packages of uv.lock, 0 known vulnerabilities" in capsys.readouterr().out


def test_a_service_that_is_away_is_said_to_be_and_passes(uv, capsys):
    assert advisories.main(uv, f"http://127.0.0.1:{free_port()}/") == 0
    assert "NOT CHECKED" in capsys.readouterr().out


def test_a_service_that_never_answers_is_given_up(uv, capsys, monkeypatch):
    monkeypatch.setattr(advisories, "SECONDS", 2)
    over = Event()
    with service(lambda name: over.wait(30) and {}) as address:
        assert advisories.main(uv, address) == 0
        over.set()
    assert "NOT CHECKED" in capsys.readouterr().out


def test_a_uv_that_cannot_audit_is_said_to_be_and_passes(capsys):
    assert advisories.main("/bin/false") == 0
    assert advisories.main("/nowhere/uv") == 0
    assert capsys.readouterr().out.count("NOT CHECKED") == 2
