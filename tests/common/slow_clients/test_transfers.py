"""A process transfers few files at once, and a client that stalls or goes away frees its thread."""

import select
import socket
import time
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client

from common.slow_clients import transfers
from common.slow_clients.slots import Slots, share
from projects.models import File
from tests.common.outbox.test_mail_delivery import until
from tests.support.calls.api_client import API, downloaded, new_file
from tests.support.calls.api_helpers import assert_error
from tests.support.calls.uploads import FILES, FORM, assert_nothing_stored, form
from tests.support.people.accounts import LOGIN, PASSWORD, is_signed_in
from tests.support.programs.servers import Server

pytestmark = pytest.mark.nodb

MIB = 1024 * 1024
TCP_CLOSE = 7
SIGN_IN = (
    "POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nCookie: csrftoken=" + "t" * 32 + "\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
)


@pytest.fixture
def store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def full(monkeypatch) -> dict[str, Slots]:
    """Other transfers hold all slots."""
    slots = {name: Slots(1) for name in ("_uploads", "_downloads")}
    for name, its in slots.items():
        monkeypatch.setattr(transfers, name, its)
        its.take()
    return slots


class Unread:
    def read(self, size: int) -> bytes:
        raise AssertionError("nothing of the body is read")

    readline = read


def test_each_kind_has_a_quarter_of_the_threads(settings):
    settings.THREADS = 8
    assert share() == 2
    settings.THREADS = 1
    assert share() == 1


def test_an_upload_too_many_is_refused_before_its_body_is_read(client, authorization, store, full):
    """T46: the part about files."""
    body = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000", "CONTENT_TYPE": FORM}
    answer = client.generic("POST", FILES, headers=authorization, **body)
    assert_error(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) >= 1
    assert "receiving as many files as it can" in answer.json()["error"]["message"]
    assert_nothing_stored(store)


def test_a_download_too_many_is_refused(client, authorization, project, full):
    answer = client.get(f"{FILES}/{new_file(project=project).public_id}/content", headers=authorization)
    assert_error(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) >= 1
    full["_downloads"].give_back()
    address = f"{FILES}/{new_file(project=project).public_id}/content"
    with downloaded(client.get(address, headers=authorization)) as answer:
        assert answer.status_code == 200


def test_a_slot_is_free_after_each_transfer(client, authorization, upload, project, store, monkeypatch):
    """After success and after failure, and also after HEAD."""
    monkeypatch.setattr(transfers, "_uploads", Slots(1))
    monkeypatch.setattr(transfers, "_downloads", Slots(1))
    for body in (form(), b"no form", form(content=b"")):
        upload(body)
    assert transfers._uploads.take()
    large = new_file(project=project, content=b"x" * MIB)
    address = f"{FILES}/{large.public_id}/content"
    for ask in (client.head, client.get):
        with downloaded(ask(address, headers=authorization)) as answer:
            assert answer.status_code == 200
    assert transfers._downloads.take()


def test_a_small_file_holds_no_slot_while_its_client_reads(client, authorization, project, store, monkeypatch):
    """granian accepts the file in one piece."""
    monkeypatch.setattr(transfers, "_downloads", Slots(1))
    address = f"{FILES}/{new_file(project=project).public_id}/content"
    with downloaded(client.get(address, headers=authorization)) as answer:
        assert transfers._downloads.take()
        assert len(list(answer)) == 1


def test_a_slot_is_given_back_once_even_if_its_answer_is_never_closed():
    slots, answers = Slots(1), [Answer(), Answer()]
    for answer in answers:
        assert slots.take()
        give_back = slots.give_back_with(answer)
        if answer is answers[0]:
            give_back()
            give_back()
    answers.clear()
    del answer
    assert slots.take()
    assert not slots.take()


class Answer:
    pass


# The real server: two transfers of each kind, and clients that stall


@pytest.fixture
def impatient(start_server) -> Server:
    """Gives clients one second."""
    server: Server = start_server(THREADS="8", CLIENT_SECONDS="1")
    return server


@pytest.fixture
def patient(start_server) -> Server:
    server: Server = start_server(THREADS="8")
    return server


def opened(server: Server, request: str, body: bytes = b"") -> socket.socket:
    """A connection with a small buffer that has sent a request and does not read the answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(request.encode() + body)
    return connection


def download_of(file: File, secret: str) -> str:
    return f"GET {FILES}/{file.public_id}/content HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n"


def stalled_upload(secret: str) -> str:
    head = f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
    return f"{head}Content-Type: {FORM}\r\nContent-Length: 1000000\r\n\r\n"


def status_of(connection: socket.socket) -> int:
    """The status of the answer that comes on this connection."""
    return int(connection.makefile("rb").readline().split()[1])


def download_is(server: Server, api_key, status: int) -> bool:
    small = new_file(project=api_key.project)
    headers = {"Authorization": f"Bearer {api_key.secret}"}
    return server.request("GET", f"{FILES}/{small.public_id}/content", headers=headers).status == status


def test_unread_downloads_hold_two_threads_until_their_clients_go_away(patient, api_key):
    file = new_file(project=api_key.project, content=b"x" * 24 * MIB, size=24 * MIB)
    with ExitStack() as clients:
        request = download_of(file, api_key.secret)
        stalled = [clients.enter_context(closing(opened(patient, request))) for _ in range(4)]
        assert sorted(status_of(connection) for connection in stalled) == [200, 200, 503, 503]
        assert download_is(patient, api_key, 503)
        assert patient.request("GET", f"{API}/me", headers={"Authorization": f"Bearer {api_key.secret}"}).status == 200
    until(lambda: download_is(patient, api_key, 200))


def test_a_client_that_reads_nothing_is_cut_off(impatient, api_key):
    file = new_file(project=api_key.project, content=b"x" * 24 * MIB, size=24 * MIB)
    with ExitStack() as clients:
        stalled = [clients.enter_context(closing(opened(impatient, download_of(file, api_key.secret)))) for _ in "12"]
        until(lambda: all(is_cut(connection) for connection in stalled))
        until(lambda: download_is(impatient, api_key, 200))


def is_cut(connection: socket.socket) -> bool:
    """Asks the kernel, because this client must not read."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE


def test_stalled_uploads_hold_two_threads_until_their_clients_go_away(patient, api_key):
    with ExitStack() as clients:
        request = stalled_upload(api_key.secret)
        stalled = [clients.enter_context(closing(opened(patient, request))) for _ in range(4)]
        until(lambda: len(answered(stalled)) == 2)
        assert {status_of(connection) for connection in answered(stalled)} == {503}
        assert upload_is(patient, api_key, 503)
        assert patient.request("GET", f"{API}/me", headers={"Authorization": f"Bearer {api_key.secret}"}).status == 200
    until(lambda: upload_is(patient, api_key, 201))


def answered(connections: list[socket.socket]) -> list[socket.socket]:
    return select.select(connections, [], [], 0)[0]


def upload_is(server: Server, api_key, status: int) -> bool:
    headers = {"Authorization": f"Bearer {api_key.secret}", "Content-Type": FORM}
    return server.request("POST", FILES, form(), headers).status == status


def test_a_client_that_stops_sending_is_cut_off(impatient, api_key):
    """For an upload, and for a form, which anybody may send."""
    for request in (stalled_upload(api_key.secret), SIGN_IN):
        with closing(opened(impatient, request, b"x")) as connection:
            assert connection.makefile("rb").read() == b""
    until(lambda: upload_is(impatient, api_key, 201))
    until(lambda: "stalled_connections_ended" in impatient.log_text())


def test_forms_that_do_not_come_leave_threads_for_everybody_else(patient):
    """As many unfinished forms as threads, and more. All but two are rejected, and pages are still answered."""
    with ExitStack() as clients:
        stalled = [clients.enter_context(closing(opened(patient, SIGN_IN))) for _ in range(10)]
        assert patient.request("GET", "/accounts/login/").status == 200
        until(lambda: len(answered(stalled)) == 8)
        assert {status_of(connection) for connection in answered(stalled)} == {503}
        assert patient.request("GET", "/accounts/login/").status == 200


def test_a_static_file_is_handed_to_the_server_in_one_piece(client):
    """granian accepts one piece at once. From the fifth piece on, a thread would wait for the client."""
    files = [file for file in Path(settings.STATIC_ROOT).rglob("*") if file.suffix in {".js", ".css"}]
    largest = max(files, key=lambda file: file.stat().st_size)
    answer = client.get(f"/static/{largest.relative_to(settings.STATIC_ROOT)}")
    assert [len(part) for part in answer] == [largest.stat().st_size]


def test_a_form_that_comes_late_is_taken(patient):
    """A slow line is allowed: the body comes in parts, with pauses."""
    report = f"POST {API}/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = b'{"secret": "lk_x"}'
    with closing(opened(patient, f"{report}Content-Length: {len(body)}\r\n\r\n")) as connection:
        for part in (body[:5], body[5:12], body[12:]):
            time.sleep(0.3)
            connection.sendall(part)
        assert status_of(connection) == 202


@pytest.mark.django_db
def test_half_a_form_is_no_form(person):
    """The client went away in the middle. Acting on only some of the fields could do something that the person did not
    intend.
    """
    whole = urlencode({"csrfmiddlewaretoken": "t" * 32, "login": person.email, "password": PASSWORD, "next": "/there"})
    half = whole.partition("&next")[0].encode()
    body = {"CONTENT_LENGTH": str(len(whole)), "wsgi.input": BytesIO(half)}
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "t" * 32
    answer = client.generic("POST", LOGIN, half, content_type="application/x-www-form-urlencoded", **body)
    assert answer.status_code == 408
    assert not is_signed_in(client)
