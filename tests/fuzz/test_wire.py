"""Below HTTP: request lines, headers and bodies that no client sends, as bytes over a socket.

If the end of a request is in doubt, a proxy before us and our server could read different requests (request smuggling).
So bytes after a doubtful request are never answered. Here they are a request that would delete a file.
"""

import pytest
from hypothesis import strategies as st

from projects.models import File
from tests.fuzz.budget import SECONDS, attempt, counts, turns
from tests.fuzz.stage import Stage
from tests.fuzz.wire import SECONDS_TO_ANSWER, answers

pytestmark = pytest.mark.nodb

UNTIL = 0.75
EXAMPLES = 60 if not SECONDS else 200

POST = b"POST /health/live HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /help/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
# Heads that leave the length of the body in doubt (RFC 9112, 6.3 and 7.1); %d is the length of the following bytes.
DOUBTFUL = [
    b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n",
    *(b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n", b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n"),
    *(b"Content-Length: 0, %d\r\n\r\n", b"Content-Length: +%d\r\n\r\n", b"Content-Length: -%d\r\n\r\n"),
    *(b"Content-Length: 0x%d\r\n\r\n", b"Content-Length : %d\r\n\r\n", b"Content-Length: %d 0\r\n\r\n"),
    *(b"Content-Length: 9999999999999999999%d\r\n\r\n", b"Content-Length:\r\n %d\r\n\r\n", b"Content-Length: \r\n\r\n"),
    *(b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    *(b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    *(b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    *(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n"),
    *(b'Transfer-Encoding: chunked\r\n\r\n0;a="\n"\r\n\r\n', b"Transfer-Encoding: chunked\r\n\r\n0\n\n"),
    *(b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n"),
]
# Complete requests that are odd. None of them may be a server error.
ODD = [
    b"GET /help/ HTTP/1.1\r\n\r\n",
    b"GET /help/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"GET http://evil.example/help/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET //evil.example/help/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    *(
        b"GET /help/\r\n\r\n",
        b"GET /help/ HTTP/9.9\r\n\r\n",
        b"GET\t/help/\tHTTP/1.1\r\n\r\n",
        b"GET help/ HTTP/1.1\r\n\r\n",
    ),
    *(
        b"GET /help/\x00 HTTP/1.1\r\n\r\n",
        b"GET /h\xe9lp/ HTTP/1.1\r\n\r\n",
        b"GET /%00%FF HTTP/1.1\r\nConnection: close\r\n\r\n",
    ),
    *(
        b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nConnection: close\r\n\r\n",
    ),
    *(GET + b"Content_Length: 5\r\n\r\n", GET + b"X-\x00: y\r\n\r\n", GET + b"X: \x00\r\n\r\n", GET + b": y\r\n\r\n"),
    *(GET + b"X: y\r\n" * 5_000 + b"\r\n", GET + b"X: " + b"y" * 500_000 + b"\r\n\r\n", GET + b"X\r\n\r\n"),
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    GET.replace(b"close", b"Upgrade") + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    POST + b"Connection: close\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\nx",
    POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nAuthorization: x\r\n\r\n",
]


@pytest.fixture
def stage(transactional_db) -> Stage:
    return Stage()


def test_what_follows_a_doubtful_request_is_never_answered(server, stage):
    """T24"""
    smuggled = stage_request(stage, "DELETE", f"/api/v1/files/{stage.file.public_id}")
    for head in DOUBTFUL:
        head = head % len(smuggled) if b"%d" in head else head
        found = answers(server.port, POST + head + smuggled)
        assert len(found) == 1, (head, found)
        assert found[0] in {200, 400}, (head, found)
        assert File.objects.filter(pk=stage.file.pk).exists(), head
    clear = POST + b"Content-Length: 0\r\n\r\n" + smuggled
    assert answers(server.port, clear, then=SECONDS_TO_ANSWER) == [200, 204], "it would have"


def stage_request(stage: Stage, method: str, path: str) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return f"{head}Authorization: Bearer {stage.secrets[0]}\r\n\r\n".encode()


def test_no_odd_request_breaks_the_server(server, stage):
    """T24"""
    for request in ODD:
        found = answers(server.port, request)
        assert found, request[:80]
        assert max(found) < 500, (request[:80], found)


CHANGES = st.sampled_from([b"", b"\x00", b"\r", b"\n", b"\r\n", b"\r\n ", b" ", b"\t", b":", b",", b"%", b"\xff", b"a"])


@st.composite
def spoilt(draw: st.DrawFn, request: bytes) -> bytes:
    """`request` with up to three places changed: each by a few bytes, cut out or doubled."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(request)))
        end = draw(st.integers(start, min(len(request), start + 12)))
        new = draw(CHANGES | st.binary(max_size=4) | st.just(request[start:end] * 2))
        request = request[:start] + new + request[end:]
    return request


def test_no_bytes_break_in_or_break_the_server(server, stage):
    """T24: requests without a key, spoilt anywhere, are never answered with what the key would open."""
    last = b"\r\n\r\nGET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n"
    path = f"/api/v1/files/{stage.file.public_id}"
    kept = set(File.objects.values_list("pk", flat=True))

    def send(request: bytes) -> None:
        counts["(spoilt bytes)"] += 1
        found = answers(server.port, request + last, silence=2)
        assert not [status for status in found if status >= 500], found
        assert request.startswith(b"GET /") or 204 not in found, found
        assert set(File.objects.values_list("pk", flat=True)) == kept

    requests = {
        "delete": stage_request(stage, "DELETE", path).replace(stage.secrets[0].encode(), b"lk_" + b"0" * 36),
        "form": stage_request(stage, "POST", "/accounts/login/?next=/").replace(
            b"\r\n\r\n", b"\r\nCookie: sessionid=x\r\n"
        ),
    }
    for turn, request in turns(requests, UNTIL):
        attempt(send, spoilt(request), examples=EXAMPLES, name=turn)
