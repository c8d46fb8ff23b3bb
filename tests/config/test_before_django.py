"""Requests with parts that Django would parse before any middleware, or for a long time."""

from typing import Any

import pytest
from django.test import RequestFactory

from tests.fuzz.wire import exchange

pytestmark = pytest.mark.nodb

CHARSETS = ["utf-16", "hex", "rot13", "base64", "idna", "undefined", "punycode", "zlib", '"hex"', "x" * 500]
PARAMETERS = [
    *("charset={}", "a=b;CHARSET = {};c=d", "charset={}; boundary=x", "charset*=utf-8''{}", "x*={}''%41"),
    *("x*0*={}''%41; x*1=b", "boundary*={}''%41", 'boundary="{}', "{}"),
]


def answer(path: str, method: str = "GET", **environ: str) -> int:
    """The status that the application gives. It is the application that the server loads."""
    from config.wsgi import application  # loads the middleware, which needs the static files

    started: list[str] = []
    request: dict[str, Any] = RequestFactory().generic(method, path, b"--x--").environ
    b"".join(application({**request, **environ}, lambda line, _: started.append(line)))
    return int(started[0][:3])


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("charset", CHARSETS)
def test_no_content_type_can_break_the_server(charset, parameter, db):
    """T25: Python has codecs that are not for text, and a header can name one (RFC 2231)."""
    for kind in ("text/plain", "multipart/form-data"):
        sent = f"{kind}; {parameter.format(charset)}"
        for path, statuses in (("/help/", {200, 405}), ("/projects/", {302}), ("/api/v1/me", {401, 405})):
            for method in ("GET", "POST"):
                found = answer(f"{path}?q=%41%FF", method, CONTENT_TYPE=sent)
                assert found in statuses | {403}, (sent, path, method)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("multipart/form-data; boundary=edge", "edge"),
        ("multipart/form-data;BOUNDARY=edge;charset=hex", "edge"),
        ('multipart/form-data; charset=utf-8; boundary="an edge"', "an edge"),
        ("multipart/form-data; boundary=" + "-" * 200, "-" * 200),
    ],
)
def test_a_forms_boundary_is_read(sent, read, db, client):
    from config.wsgi import _simplify_content_type

    environ = {"CONTENT_TYPE": sent}
    _simplify_content_type(environ)
    content_type = environ["CONTENT_TYPE"]
    body = f'--{read}\r\nContent-Disposition: form-data; name="email"\r\n\r\nada\r\n--{read}--\r\n'
    page = client.generic("POST", "/accounts/password/reset/", body, content_type=content_type)
    assert b"Enter a valid email address" in page.content


def test_a_secret_in_a_content_type_comes_into_no_log(server, api_key):
    """T29"""
    for path in ("/api/v1/me", "/health/live", "/accounts/login/"):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b; x*={api_key.secret}''%41\r\n"
        found = exchange(server.port, request.encode() + b"Connection: close\r\n\r\n")
        assert found.status in {200, 401}, path
    assert api_key.secret[3:] not in server.log_text()


def test_headers_that_take_quadratic_time_are_left_out():
    """Django parses these headers in quadratic time, so one header of a stranger would block a worker for seconds."""
    from config import wsgi

    escaped = 'a="' + r"\a" * 15_000 + '"'
    environ = {"HTTP_COOKIE": f"sessionid=x; {escaped}; csrftoken=y", "CONTENT_TYPE": 'a/b; x="' + ";" * 30_000}
    wsgi._leave_escaped_cookies_out(environ)
    wsgi._simplify_content_type(environ)
    assert environ == {"HTTP_COOKIE": "sessionid=x; csrftoken=y", "CONTENT_TYPE": "a/b"}


def test_more_headers_than_anybody_sends_are_refused(server):
    """T24"""
    request = b"GET /api/v1/verify HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n"
    assert exchange(server.port, request).status == 431
