"""The JSON API as a program sees it: who it is, what it may not, the shape of every answer."""

import pytest
from django.contrib.auth import get_user_model

from apikeys import secret_format, services
from tests.api_client import API, assert_envelope, bearer, new_secret, secret_of
from tests.api_helpers import assert_error
from tests.factories import FileFactory, ProjectFactory

pytestmark = pytest.mark.django_db


def test_a_key_lets_a_request_in_and_lists_its_projects_files(client, api_key, project):
    """P1"""
    file = FileFactory(project=project)
    body = assert_envelope(client.get(f"{API}/files", headers=bearer(secret_of(api_key))), "list")
    assert [row["id"] for row in body["data"]] == [file.public_id]
    assert body["meta"]["project_id"] == project.public_id


def test_me_names_key_project_and_user(client, api_key, project, owner):
    """P2"""
    body = assert_envelope(client.get(f"{API}/me", headers=bearer(secret_of(api_key))), "object")
    assert body["data"] == {
        "key": {"id": api_key.public_id, "name": "Production server"},
        "project": {"id": project.public_id, "name": "Acme Weather"},
        "user": {"id": owner.public_id, "email": "owner@example.com"},
    }
    assert body["links"] == {"self": f"{API}/me"}


def test_a_key_reaches_its_own_projects_files_and_no_others(client, api_key, project):
    """P3"""
    other = ProjectFactory()
    own, foreign = FileFactory(project=project), FileFactory(project=other)
    for secret, reachable, hidden in [(secret_of(api_key), own, foreign), (new_secret(other), foreign, own)]:
        assert client.get(f"{API}/files/{reachable.public_id}", headers=bearer(secret)).status_code == 200
        assert_error(client.get(f"{API}/files/{hidden.public_id}", headers=bearer(secret)), 404, "not_found")
        listed = client.get(f"{API}/files", headers=bearer(secret)).json()["data"]
        assert [row["id"] for row in listed] == [reachable.public_id]


def _refused_headers(api_key, owner, state):
    secret = secret_of(api_key)
    if state == "paused":
        services.pause_key(key=api_key, by=owner)
    elif state == "deleted":
        services.delete_key(key=api_key, by=owner)
    return {
        "missing": {},
        "malformed": bearer(secret[:-1]),
        "unknown": bearer(secret_format.generate("lk_")),
    }.get(state, bearer(secret))


@pytest.mark.parametrize("path", ["/me", "/files", "/verify", "/files/file_0000000000000000"])
@pytest.mark.parametrize(
    ("state", "challenge"),
    [
        ("missing", 'Bearer realm="api"'),
        ("malformed", 'Bearer realm="api", error="invalid_request"'),
        ("unknown", 'Bearer realm="api", error="invalid_token"'),
        ("paused", 'Bearer realm="api", error="invalid_token"'),
        ("deleted", 'Bearer realm="api", error="invalid_token"'),
    ],
)
def test_a_401_says_why_and_challenges(client, api_key, owner, path, state, challenge):
    response = client.get(f"{API}{path}", headers=_refused_headers(api_key, owner, state))
    message = assert_error(response, 401, f"key_{state}")
    assert response["WWW-Authenticate"] == challenge
    assert secret_of(api_key)[3:-1] not in response.content.decode() + message
    assert response.json()["meta"]["project_id"] is None


@pytest.mark.parametrize("path", ["/me", "/files", "/verify"])
def test_the_key_of_a_deactivated_user_is_forbidden(client, api_key, owner, path):
    get_user_model().objects.filter(pk=owner.pk).update(is_active=False)
    assert_error(client.get(f"{API}{path}", headers=bearer(secret_of(api_key))), 403, "forbidden")


def test_a_paused_key_is_let_in_again_once_it_is_re_enabled(client, api_key, owner):
    """P9"""
    services.pause_key(key=api_key, by=owner)
    assert_error(client.get(f"{API}/me", headers=bearer(secret_of(api_key))), 401, "key_paused")
    services.resume_key(key=api_key, by=owner)
    assert client.get(f"{API}/me", headers=bearer(secret_of(api_key))).status_code == 200


@pytest.mark.parametrize("path", ["/me", "/files", "/verify"])
def test_a_malformed_key_is_refused_without_a_query(client, django_assert_num_queries, path):
    """T2"""
    with django_assert_num_queries(0):
        response = client.get(f"{API}{path}", headers=bearer("lk_" + "0" * 36))
    assert_error(response, 401, "key_malformed")


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/files/", "/files/nothing", "/files/file_%00", "/verify/", "/me/x"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete", "put"])
def test_an_unknown_route_is_a_404_and_never_a_redirect(client, path, method):
    """T27"""
    assert_error(getattr(client, method)(f"{API}{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("post", "/me", "GET, HEAD, OPTIONS"),
        ("put", "/files", "GET, HEAD, OPTIONS, POST"),
        ("delete", "/files", "GET, HEAD, OPTIONS, POST"),
        ("patch", "/files/file_0000000000000000", "DELETE, GET, HEAD, OPTIONS"),
        ("post", "/files/file_0000000000000000/content", "GET, HEAD, OPTIONS"),
        ("post", "/openapi.json", "GET, HEAD, OPTIONS"),
        ("post", "/docs", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client, method, path, allow):
    response = getattr(client, method)(f"{API}{path}")
    assert_error(response, 405, "method_not_allowed")
    assert response["Allow"] == allow


def test_options_names_the_methods_and_allows_no_foreign_origin(client):
    response = client.options(f"{API}/files", headers={"Origin": "https://elsewhere.example"})
    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert not [header for header in response.headers if header.lower().startswith("access-control-")]


def test_head_is_get_without_a_body(client, api_key):
    response = client.head(f"{API}/files", headers=bearer(secret_of(api_key)))
    assert (response.status_code, response.content) == (200, b"")
    assert client.head(f"{API}/files").status_code == 401


def test_answers_are_never_stored(client, api_key):
    """T31"""
    assert "no-store" in client.get(f"{API}/me", headers=bearer(secret_of(api_key)))["Cache-Control"]
    assert "no-store" in client.get(f"{API}/me")["Cache-Control"]


def test_the_openapi_document_has_every_call_and_is_public(client):
    document = client.get(f"{API}/openapi.json").json()
    calls = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
    assert calls == {
        "get /api/v1/me",
        "get /api/v1/files",
        "post /api/v1/files",
        "get /api/v1/files/{file_id}",
        "delete /api/v1/files/{file_id}",
        "get /api/v1/files/{file_id}/content",
        "get /api/v1/verify",
    }
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["ApiKeyAuth"]["scheme"] == "bearer"
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"ApiKeyAuth": []}]
            assert {"401", "403", "503"} <= set(operation["responses"])
            assert all(answer["description"] for answer in operation["responses"].values())


def test_the_reference_page_shows_every_call_and_is_public(client):
    response = client.get(f"{API}/docs")
    html = response.content.decode()
    assert response.status_code == 200
    document = client.get(f"{API}/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in html
            assert f'id="{operation["operationId"]}"' in html
    assert "<script>" not in html
    assert "style=" not in html
