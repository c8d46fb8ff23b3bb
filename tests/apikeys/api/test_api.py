"""The API over HTTP: who is let in, the text of each refusal, the headers of every answer, and no plain HTTP."""

import json
import re
import urllib.request
from functools import partial

import pytest
from django.test import Client

from apikeys.keys import pausing, services
from apikeys.secrets import secret_format
from projects.services import delete_project
from tests.support.calls.api_client import call_with, downloaded, files_of, new_file
from tests.support.calls.api_helpers import assert_error
from tests.support.factories import ApiKeyFactory, ProjectFactory
from tests.support.places.routes import all_routes
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.django_db

FILES = "/api/v1/files"
NEVER = "file_0000000000000000"
# Method and path of every call that needs a key.
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
    return partial(call_with, client, api_key)


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
        "key": {"id": api_key.public_id, "name": "Production server", "standing": "active", "expires_at": None},
        "project": {"id": project.public_id, "name": "Acme Weather"},
        "user": {"id": owner.public_id, "email": "owner@example.com"},
    }
    assert answer["meta"]["project_id"] == project.public_id
    assert answer["links"] == {"self": "/api/v1/me"}


def test_an_answers_own_address_repeats_no_query(client, api_key):
    """T29: a key that was put into the query by mistake is not repeated in the body."""
    answer = client.get(f"/api/v1/me?key={api_key.secret}", headers={"Authorization": f"Bearer {api_key.secret}"})
    assert answer.json()["links"] == {"self": "/api/v1/me"}


def test_the_user_is_the_keys_creator_and_not_the_projects(client, project, developer):
    """P2"""
    new = services.create_key(project=project, name="Hers", by=developer)
    data = client.get("/api/v1/me", headers={"Authorization": f"Bearer {new.secret}"}).json()["data"]
    assert data["user"] == {"id": developer.public_id, "email": "developer@example.com"}


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
    assert "again" in assert_error(response, 401, "key_malformed")
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
    pausing.pause_key(key=api_key, by=owner)
    response = call(method, path)
    assert "re-enable" in assert_error(response, 401, "key_paused")
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    pausing.resume_key(key=api_key, by=owner)
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


def test_a_refused_call_names_no_project(client, call, api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
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
