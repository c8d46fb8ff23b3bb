"""The API over HTTP: who is let in, what each refusal says, and the envelope around every answer."""

import json
import re
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import secret_format, services
from projects.services import delete_project
from tests.api_client import downloaded, new_file
from tests.api_helpers import assert_error, get_request, send_raw
from tests.factories import ApiKeyFactory, ProjectFactory
from tests.routes import all_routes
from tests.statements import assert_statements

pytestmark = pytest.mark.django_db

FILES = "/api/v1/files"
NEVER = "file_0000000000000000"
# Method and path of every call that takes a key.
CALLS = [
    ("GET", "/api/v1/me"),
    ("GET", FILES),
    ("POST", FILES),
    ("GET", f"{FILES}/{NEVER}"),
    ("DELETE", f"{FILES}/{NEVER}"),
    ("GET", f"{FILES}/{NEVER}/content"),
    ("GET", "/api/v1/verify"),
]
every_call = pytest.mark.parametrize(("method", "path"), CALLS, ids=[f"{m} {p}" for m, p in CALLS])


@pytest.fixture
def call(client, api_key):
    """Calls the API with the project's key: `call("GET", path)`."""

    def send(method: str, path: str, **options: Any) -> Any:
        return client.generic(method, path, headers={"Authorization": f"Bearer {api_key.secret}"}, **options)

    return send


def files_of(project: Any, count: int) -> list[Any]:
    """The oldest first, a minute apart."""
    start = timezone.now() - timedelta(days=1)
    return [new_file(project=project, created_at=start + timedelta(minutes=n)) for n in range(count)]


# P1 to P3


def test_a_key_authenticates_a_request_to_the_real_server(server, api_key, project):
    """P1"""
    file = new_file(project=project, name="readings.csv")
    headers = {"Authorization": "Bearer " + api_key.secret}
    request = urllib.request.Request(server.url + FILES, headers=headers)  # noqa: S310  our own server
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  our own server
        assert response.status == 200
        answer = json.load(response)
    assert [(found["id"], found["name"]) for found in answer["data"]] == [(file.public_id, "readings.csv")]


def test_a_key_identifies_its_user_and_its_project(call, api_key, project, owner):
    """P2"""
    answer = call("GET", "/api/v1/me").json()
    assert answer["data"] == {
        "key": {"id": api_key.public_id, "name": "Production server"},
        "project": {"id": project.public_id, "name": "Acme Weather"},
        "user": {"id": owner.public_id, "email": "owner@example.com"},
    }
    assert answer["meta"]["project_id"] == project.public_id
    assert answer["links"] == {"self": "/api/v1/me"}


def test_an_answers_own_address_repeats_no_query(client, api_key):
    """T29: a key put there by mistake is not in the body too."""
    answer = client.get(f"/api/v1/me?key={api_key.secret}", headers={"Authorization": f"Bearer {api_key.secret}"})
    assert answer.json()["links"] == {"self": "/api/v1/me"}


def test_the_user_is_the_keys_creator_and_not_the_projects(client, project, viewer):
    """P2"""
    new = services.create_key(project=project, name="Hers", by=viewer)
    data = client.get("/api/v1/me", headers={"Authorization": f"Bearer {new.secret}"}).json()["data"]
    assert data["user"] == {"id": viewer.public_id, "email": "viewer@example.com"}


def test_a_key_reaches_everything_of_its_project_and_nothing_of_another(client, call, api_key, project):
    """P3"""
    own = files_of(project, 3)
    secret = secret_format.generate("lk_")
    other = ApiKeyFactory(project=ProjectFactory(), secret=secret)
    foreign = files_of(other.project, 2)

    assert {found["id"] for found in call("GET", FILES).json()["data"]} == {file.public_id for file in own}
    for file in own:
        assert call("GET", f"{FILES}/{file.public_id}").json()["data"]["id"] == file.public_id
        with downloaded(call("GET", f"{FILES}/{file.public_id}/content")) as response:
            assert response.getvalue() == b"2024-01-01,21.5\n"
    for file in foreign:
        assert_error(call("GET", f"{FILES}/{file.public_id}"), 404, "not_found")
        assert_error(call("GET", f"{FILES}/{file.public_id}/content"), 404, "not_found")
        assert_error(call("DELETE", f"{FILES}/{file.public_id}"), 404, "not_found")
    theirs = client.get(FILES, headers={"Authorization": f"Bearer {secret}"}).json()
    assert {found["id"] for found in theirs["data"]} == {file.public_id for file in foreign}


@pytest.mark.parametrize("parameter", ["project", "project_id", "created_by", "user"])
def test_no_parameter_names_another_project(call, project, outsider, parameter):
    """P3, T17"""
    other = outsider.projects.get()
    files_of(other, 1)
    answer = call("GET", f"{FILES}?{parameter}={other.public_id}")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


# Every row of the status table, on every call


@every_call
def test_without_a_header_a_call_is_refused(client, method, path):
    with assert_statements(0):
        response = client.generic(method, path)
    assert "Authorization: Bearer" in assert_error(response, 401, "key_missing")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@every_call
def test_a_malformed_key_is_refused_without_a_query(client, api_key, method, path):
    """T2"""
    with assert_statements(0):
        response = client.generic(method, path, headers={"Authorization": f"Bearer {api_key.secret[:-1]}"})
    assert "Copy the key again" in assert_error(response, 401, "key_malformed")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


@every_call
def test_an_unknown_key_is_refused_after_one_query(client, method, path):
    """T3"""
    secret = secret_format.generate("lk_")
    with assert_statements(1):
        response = client.generic(method, path, headers={"Authorization": f"Bearer {secret}"})
    assert_error(response, 401, "key_unknown")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


@every_call
def test_a_paused_key_is_told_so_until_it_is_re_enabled(call, api_key, owner, method, path):
    """P9"""
    services.pause_key(key=api_key, by=owner)
    response = call(method, path)
    assert "re-enable" in assert_error(response, 401, "key_paused")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    services.resume_key(key=api_key, by=owner)
    assert call(method, path).status_code not in {401, 403}


@every_call
def test_a_deleted_key_is_told_so(call, api_key, owner, method, path):
    """P10"""
    services.delete_key(key=api_key, by=owner)
    response = call(method, path)
    assert_error(response, 401, "key_deleted")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


@every_call
def test_a_deleted_projects_key_is_deleted(call, project, owner, method, path):
    delete_project(project=project, by=owner)
    assert_error(call(method, path), 401, "key_deleted")


@every_call
def test_a_deactivated_creators_key_is_forbidden(call, owner, method, path):
    owner.is_active = False
    owner.save()
    assert "deactivated" in assert_error(call(method, path), 403, "forbidden")


@every_call
def test_a_signed_in_browser_without_a_key_is_refused(signed_in, owner, project, method, path):
    assert_error(signed_in(owner).generic(method, path), 401, "key_missing")


def test_what_is_refused_names_no_project(client, call, api_key, owner):
    services.pause_key(key=api_key, by=owner)
    for response in (call("GET", FILES), client.get(FILES)):
        assert response.json()["meta"]["project_id"] is None


def test_errors_of_a_good_key_name_its_project(call, project):
    assert call("GET", f"{FILES}/{NEVER}").json()["meta"]["project_id"] == project.public_id


def test_me_costs_one_query(call):
    """T3"""
    with assert_statements(1):
        call("GET", "/api/v1/me")


def test_a_list_of_any_length_costs_four_queries(call, project):
    files_of(project, 30)
    with assert_statements(4):
        assert len(call("GET", f"{FILES}?limit=30").json()["data"]) == 30


# Methods and addresses

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
    "/api/v1/verify/",
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


# The envelope of lists


def test_an_empty_list_is_one_page(call, project):
    answer = call("GET", FILES).json()
    assert set(answer) == {"meta", "data", "error", "links"}
    assert re.fullmatch(r"req_\w{16}", answer["meta"].pop("request_id"))
    expected = {"project_id": project.public_id, "type": "list", "limit": 20, "total": 0, "page": 1, "pages": 1}
    assert answer["meta"] == expected
    assert (answer["data"], answer["error"]) == ([], None)
    assert answer["links"] == {"self": f"{FILES}?page=1&limit=20", "next": None, "prev": None}


def test_links_lead_through_all_pages_and_back(call, project):
    newest_first = [file.public_id for file in reversed(files_of(project, 45))]
    seen, address, addresses = [], FILES, []
    while address:
        answer = call("GET", address).json()
        assert (answer["meta"]["limit"], answer["meta"]["total"], answer["meta"]["pages"]) == (20, 45, 3)
        assert answer["meta"]["page"] == len(addresses) + 1
        assert answer["links"]["prev"] == (addresses[-1] if addresses else None)
        addresses.append(answer["links"]["self"])
        seen += [found["id"] for found in answer["data"]]
        address = answer["links"]["next"]
    assert seen == newest_first
    assert len(addresses) == 3


def test_files_of_the_same_moment_keep_their_order_across_pages(call, project):
    moment = timezone.now()
    made = [new_file(project=project, created_at=moment).public_id for _ in range(6)]
    pages = [call("GET", f"{FILES}?limit=2&page={page}").json()["data"] for page in (1, 2, 3)]
    assert [found["id"] for page in pages for found in page] == made[::-1]


@pytest.mark.parametrize(("limit", "pages"), [(1, 3), (2, 2), (3, 1), (100, 1)])
def test_pages_are_counted_up(call, project, limit, pages):
    files_of(project, 3)
    answer = call("GET", f"{FILES}?limit={limit}").json()
    assert (answer["meta"]["pages"], len(answer["data"])) == (pages, min(limit, 3))


@pytest.mark.parametrize("page", [3, 1000, 1_000_000_000])
def test_a_page_beyond_the_end_is_empty_and_leads_back_to_the_last(call, project, page):
    files_of(project, 3)
    answer = call("GET", f"{FILES}?limit=2&page={page}").json()
    assert (answer["data"], answer["meta"]["page"], answer["meta"]["total"]) == ([], page, 3)
    assert answer["links"]["next"] is None
    assert answer["links"]["prev"] == f"{FILES}?page=2&limit=2"


BAD_NUMBERS = [
    "0",
    "-1",
    "abc",
    "1e999",
    "99999999999999999999",
    "1.5",
    "",
    "%20",
    "NaN",
    "true",
    "٣",
    "\u200b1",
    "9" * 5000,
]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: value[:20])
@pytest.mark.parametrize("name", ["page", "limit"])
def test_paging_values_out_of_range_are_named(call, name, value):
    """T25"""
    response = call("GET", f"{FILES}?{name}={value}")
    message = assert_error(response, 422, "invalid")
    assert message.startswith(f"{name}: ")
    assert len(message) < 200, "it does not repeat what was sent"


@pytest.mark.parametrize("query", ["limit=101", "page=1000000001", "page=0&limit=0"])
def test_the_bounds_of_paging_hold(call, query):
    assert_error(call("GET", f"{FILES}?{query}"), 422, "invalid")


@pytest.mark.parametrize("query", ["page=%00", "limit=1%00", "x=%00", "%00=1"])
def test_a_nul_in_the_query_is_refused(call, query):
    """T25"""
    assert_error(call("GET", f"{FILES}?{query}"), 400, "bad_request")


@pytest.mark.parametrize("query", ["page=1&page=1", "page=2&page=1", "limit=5&limit=500", "page=x&page=1", "page[]=1"])
def test_repeated_and_foreign_parameters_never_break_a_list(call, query):
    """T25"""
    response = call("GET", f"{FILES}?{query}")
    if response.status_code != 200:
        assert_error(response, 422, "invalid")


@pytest.mark.parametrize("query", ["%ff=%fe", "page=%ff", "limit=%ed%a0%80", "a&&&=;", "page=1" + "&a=1" * 5000])
def test_broken_queries_never_break_a_list(call, query):
    """T25"""
    response = call("GET", f"{FILES}?{query}")
    assert response.status_code in {200, 400, 413, 422}
    if response.status_code != 200:
        assert_error(response, response.status_code, response.json()["error"]["code"])


# Headers


@every_call
def test_every_answer_has_an_id_of_its_own_and_stays_out_of_caches(call, method, path):
    ids = set()
    for _ in range(2):
        response = call(method, path, HTTP_X_REQUEST_ID="mine")
        ids.add(response["X-Request-Id"])
        assert "no-store" in response["Cache-Control"]
        assert not response.cookies
    assert len(ids) == 2
    assert all(re.fullmatch(r"req_[0-9A-Za-z]{16}", request_id) for request_id in ids)


def test_a_success_repeats_its_request_id_in_the_header(call):
    for path in ("/api/v1/me", FILES):
        response = call("GET", path)
        assert response["X-Request-Id"] == response.json()["meta"]["request_id"]


@pytest.mark.parametrize("path", [route.path() for route in all_routes() if route.is_api])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_no_answer_opens_the_api_to_other_origins(call, path, method):
    preflight = {
        "HTTP_ORIGIN": "https://elsewhere.example",
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET",
        "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "authorization",
    }
    response = call(method, path, **preflight)
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


# Plain HTTP in production


@pytest.mark.parametrize("path", [*[path for _, path in CALLS], "/api/", "/api/v1/nothing", "/api/v1/docs"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_is_refused_and_never_redirected(api_key, settings, path, method):
    """T27"""
    settings.SECURE_SSL_REDIRECT = True
    headers = {"Authorization": f"Bearer {api_key.secret}"}
    response = Client().generic(method, path, headers=headers)
    assert "https" in assert_error(response, 403, "https_required")
    assert "Location" not in response.headers
    assert Client().generic(method, path, headers=headers, secure=True).status_code != 403


def test_a_key_sent_over_plain_http_is_neither_looked_up_nor_used(api_key, settings):
    """T27"""
    settings.SECURE_SSL_REDIRECT = True
    with assert_statements(0):
        Client().get(FILES, headers={"Authorization": f"Bearer {api_key.secret}"})


def test_a_claim_of_https_is_believed_from_a_trusted_proxy_only(api_key, settings):
    """T27"""
    settings.SECURE_SSL_REDIRECT = True
    headers = {"Authorization": f"Bearer {api_key.secret}", "X-Forwarded-Proto": "https"}
    assert_error(Client().get(FILES, headers=headers), 403, "https_required")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert Client().get(FILES, headers=headers).status_code == 200
