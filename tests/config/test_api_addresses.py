"""The API's methods and addresses, and the answers to all other methods and addresses."""

from functools import partial

import pytest

from tests.support.calls.api_client import call_with, downloaded, new_file
from tests.support.calls.api_helpers import assert_error, get_request, send_raw
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.django_db

FILES = "/api/v1/files"
NEVER = "file_0000000000000000"


@pytest.fixture
def call(client, api_key):
    """Calls the API with the project's key: `call("GET", path)`."""
    return partial(call_with, client, api_key)


ALLOWED = {
    "/api/v1/me": "GET, HEAD, OPTIONS",
    FILES: "GET, HEAD, OPTIONS, POST",
    f"{FILES}/{NEVER}": "DELETE, GET, HEAD, OPTIONS",
    f"{FILES}/{NEVER}/content": "GET, HEAD, OPTIONS",
    "/api/v1/openapi.json": "GET, HEAD, OPTIONS",
    "/api/v1/docs": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND"])
def test_a_wrong_method_is_told_the_right_ones(call, path, method):
    response = call(method, path)
    assert ALLOWED[path] in assert_error(response, 405, "method_not_allowed")
    assert response["Allow"] == ALLOWED[path]


@pytest.mark.parametrize("path", ALLOWED)
def test_options_names_the_methods(client, path):
    response = client.options(path)
    assert (response.status_code, response.content, response["Allow"]) == (204, b"", ALLOWED[path])


def test_head_is_get_without_a_body(call, project):
    file = new_file(project=project, content=b"0123456789")
    for path in ("/api/v1/me", FILES, f"{FILES}/{file.public_id}", f"{FILES}/{file.public_id}/content"):
        with downloaded(call("HEAD", path)) as head, downloaded(call("GET", path)) as get:
            assert (head.status_code, b"".join(head)) == (200, b"")
            assert head["Content-Type"] == get["Content-Type"]
            assert head.get("Content-Length") == get.get("Content-Length")
    assert call("HEAD", f"{FILES}/{NEVER}").status_code == 404


def test_head_over_a_socket_has_no_body(server, api_key):
    request = get_request(FILES, f"Bearer {api_key.secret}".encode()).replace(b"GET", b"HEAD", 1)
    answer = send_raw(server, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (answer.status_code, answer.content) == (200, b"")


UNKNOWN = [
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api/v2/files",
    "/api/v1/nothing",
    "/api/v1/me/",
    "/api/v1/files/",
    "/api/v1/files/1",
    "/api/v1/files/file_short",
    "/api/v1/files/file_00000000000000000",
    "/api/v1/files/key_0000000000000000",
    "/api/v1/files/file_000000000000000%00",
    "/api/v1/files/file_000000000000000%0A",
    "/api/v1/files/../me",
    "/api/v1/files/%2e%2e%2fme",
    "/api/v1/%ff%fe",
]


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
def test_an_unknown_address_is_not_found_and_never_leads_to_the_login(client, path, method):
    with assert_statements(0):
        response = client.generic(method, path)
    assert "Location" not in response.headers
    assert response.status_code == 404
    if method != "HEAD":
        assert_error(response, 404, "not_found")
