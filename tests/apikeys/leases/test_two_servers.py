"""Changes at one server while another one keeps rows: as users run them, each a process of its own."""

import json
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from select import select
from typing import Any
from urllib.parse import urlencode

import pytest

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from tests.support.calls.github import Signer
from tests.support.programs.load import call_before_and_after
from tests.support.programs.servers import Server, session_headers

PROGRAMS = 2
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def servers(start_server, signer) -> tuple[Server, Server]:
    """The one that is asked to change keys, and the one that checks them."""
    changing = start_server(VERDICT_LEASE="on", GITHUB_PUBLIC_KEYS=signer.document())
    return changing, start_server(check_workers=2, VERDICT_LEASE="on")


def send(server: Server, client: Any, key: ApiKey, action: str) -> int:
    path = f"/projects/{key.project.public_id}/keys/{key.public_id}/{action}/"
    body = urlencode({"next": "key", "confirmation": key.name})
    return server.request("POST", path, body, session_headers(client) | FORM).status


def nothing_is_let_in_after(checking: Server, secret: str, act: Any) -> None:
    """After `act`, which changes the key amid calls."""
    answered: list[float] = []

    def change() -> None:
        act()
        answered.append(time.monotonic())

    calls = call_before_and_after(checking.check_port, [secret], PROGRAMS, change)
    assert any(call.status == 204 for call in calls)
    assert [call for call in calls if call.status == 204 and call.began > answered[0]] == []


@pytest.mark.parametrize(("first", "second"), [("delete", "delete"), ("delete", "end"), ("pause", "pause-for")])
def test_a_second_answer_is_as_late_as_the_first(servers, first, second, project, owner, signed_in):
    changing, checking = servers
    client = signed_in(owner)
    key, secret = create_key(project=project, name="Key", by=owner)

    def change_twice() -> None:
        thread = threading.Thread(target=send, args=(changing, client, key, first))
        thread.start()
        while ApiKey.objects.get(pk=key.pk).is_active and thread.is_alive():
            """It is not committed yet."""
        assert send(changing, client, key, second) == 302
        threads.append(thread)

    threads: list[threading.Thread] = []
    nothing_is_let_in_after(checking, secret, change_twice)
    threads[0].join()
    assert not ApiKey.objects.get(pk=key.pk).is_active


def test_a_report_of_github_holds_once_it_is_answered(servers, signer, project, owner):
    changing, checking = servers
    key, secret = create_key(project=project, name="Key", by=owner)
    body = json.dumps([{"token": secret, "type": "latchkey", "url": "https://x.example"}]).encode()

    def report() -> None:
        headers = signer.headers(body) | {"Content-Type": "application/json"}
        assert changing.request("POST", "/api/v1/report/github", body, headers).status == 202

    nothing_is_let_in_after(checking, secret, report)
    assert ApiKey.objects.get(pk=key.pk).is_reported


def test_clients_that_go_away_keep_no_place(servers, project, owner, signed_in):
    """The change is made, and the places of held answers are given back."""
    changing, checking = servers
    client = signed_in(owner)
    keys = [create_key(project=project, name=f"Key {number}", by=owner) for number in range(6)]
    for key, secret in keys[:-1]:
        # The row is kept. So a process is registered.
        assert [checking.check(secret).status for _ in range(2)] == [204, 204]
        while ApiKey.objects.get(pk=key.pk).is_active:
            with closing(HTTPConnection("127.0.0.1", changing.port, timeout=60)) as connection:
                path = f"/projects/{project.public_id}/keys/{key.public_id}/pause/"
                connection.request("POST", path, "", session_headers(client) | FORM)
                select([connection.sock], [], [], 0.1)  # for a moment, or until it is refused
    key, secret = keys[-1]
    while send(changing, client, key, "pause") == 503:
        """The last answers are still held back."""
    assert ApiKey.objects.get(pk=key.pk).is_paused
    assert checking.check(secret).status == 401
