"""A client that sends a body with a rejected call still reads the answer."""

import socket
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from io import BytesIO

import pytest

from common.slow_clients import unread
from common.slow_clients.bodies import reading
from tests.support.calls.api_helpers import send_raw
from tests.support.programs.servers import Server

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

BODY = b"x" * 5_000_000
WRONG = {"Authorization": "Bearer wrong"}
# Calls whose body is rejected before it is read, with their statuses.
REFUSED = [
    ("POST", "/api/v1/files", 401),
    ("POST", "/api/v1/verify", 401),
    ("PUT", "/api/v1/verify/v1/orders?x=1", 401),
    ("POST", "/api/v1/nowhere", 404),
    ("PUT", "/api/v1/files", 405),
    ("POST", "/accounts/login/", 413),
    ("POST", "/nowhere/", 413),
]


def post(server: Server, method: str, path: str, *, port: int, chunked: bool = False) -> tuple[int, int]:
    """The statuses of a rejected call and of the next call on the same connection."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, iter([BODY[:50_000]] * 100) if chunked else BODY, WRONG)
        answer = connection.getresponse()
        answer.read()
        connection.request("GET", "/health/live")
        return answer.status, connection.getresponse().status


def test_a_client_that_sends_5_mb_reads_why_it_is_rejected(server):
    """T46: the answer is complete, and the connection stays usable."""
    for _ in range(3):
        for method, path, status in REFUSED:
            assert post(server, method, path, port=server.port) == (status, 200), path
        for method, path, status in (*REFUSED[1:3], ("POST", "/api/v1/files", 404)):
            assert post(server, method, path, port=server.check_port) == (status, 200), path


def test_a_client_that_sends_chunks_reads_why_it_is_rejected(server):
    for path, port, status in (
        ("/api/v1/files", server.port, 401),
        ("/accounts/login/", server.port, 411),
        ("/api/v1/verify", server.check_port, 401),
    ):
        assert post(server, "POST", path, port=port, chunked=True) == (status, 200), path


def test_a_client_that_asks_first_is_not_told_to_send(server):
    """RFC 9110, 10.1.1"""
    head = b"POST /api/v1/verify HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n"
    for port in (server.port, server.check_port):
        assert send_raw(server, head, port=port).status_code == 401


def test_a_client_that_sends_slowly_is_answered_at_once(server, api_key):
    """T46: the answer does not wait for the unwanted body, and several such clients do not hold up others."""
    with ExitStack() as clients:
        for port in [server.port, server.check_port] * 8:
            for method, secret, status in (
                ("POST", "wrong", 401),
                ("HEAD", "wrong", 401),
                ("POST", api_key.secret, 204),
            ):
                head = f"{method} /api/v1/verify HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n"
                slow = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                slow.sendall(f"{head}Content-Length: 5000000\r\n\r\nslow".encode())
                assert slow.recv(12) == f"HTTP/1.1 {status}".encode(), (method, port)


def answer_of(body, **environ) -> bytes:
    """The answer of an application that does not read the body. It is read to its end, as granian does."""
    application = unread.read_to_the_end(lambda environ, start_response: [b"refused"])
    return b"".join(application({"wsgi.input": body, **environ}, None))


def test_few_bodies_are_read_at_once():
    """T46: beyond the limit the connection is closed, as granian does by itself."""
    taken = 0
    while reading.take():
        taken += 1
    body = BytesIO(b"x" * 100)
    try:
        assert answer_of(body, CONTENT_LENGTH="100") == b"refused"
        assert body.tell() == 0
    finally:
        for _ in range(taken):
            reading.give_back()
    assert taken >= 1
    assert answer_of(body, CONTENT_LENGTH="100") == b"refused"
    assert body.tell() == 100


@pytest.mark.parametrize("length", [unread.MOST_BYTES + 1, 10**17, 10**30])
def test_a_body_that_is_too_long_is_not_begun(length):
    body = BytesIO(b"x" * 100)
    assert answer_of(body, CONTENT_LENGTH=str(length)) == b"refused"
    assert body.tell() == 0


def test_a_body_without_a_length_is_read_up_to_the_limit(monkeypatch):
    monkeypatch.setattr(unread, "MOST_BYTES", 1_000_000)
    body = BytesIO(b"x" * 3_000_000)
    answer_of(body, HTTP_TRANSFER_ENCODING="chunked")
    assert body.tell() == 1_000_000


def test_a_body_that_was_read_is_not_waited_for():
    def reads(environ, start_response):
        return [environ["wsgi.input"].read(10)]

    body = BytesIO(b"x" * 20)
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "10"}
    assert b"".join(unread.read_to_the_end(reads)(environ, None)) == b"x" * 10
    assert body.tell() == 10


def test_many_clients_that_hang_up_cost_nothing(server):
    head = b"POST /api/v1/verify HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n"
    for _ in range(20):
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.check_port)) as connection:
            connection.sendall(head)
    assert server.request("GET", "/health/live", port=server.check_port).status == 200
