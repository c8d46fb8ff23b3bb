"""What a gateway asks at /api/v1/verify."""

import pytest
from django.test import Client

from tests.api_client import API, bearer, secret_of
from tests.api_helpers import assert_error

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.mark.parametrize("method", METHODS)
def test_any_method_is_answered_with_whose_the_key_is(client, api_key, project, owner, method):
    response = client.generic(method, f"{API}/verify", headers=bearer(secret_of(api_key)))
    assert (response.status_code, response.content) == (204, b"")
    assert response["X-Latchkey-Key"] == api_key.public_id
    assert response["X-Latchkey-Project"] == project.public_id
    assert response["X-Latchkey-User"] == owner.public_id


@pytest.mark.parametrize("method", [method for method in METHODS if method != "HEAD"])
def test_any_method_is_refused_alike(client, method):
    assert_error(client.generic(method, f"{API}/verify"), 401, "key_missing")


def test_a_check_over_http_costs_one_query(client, api_key, django_assert_num_queries):
    """T3"""
    with django_assert_num_queries(1):
        assert client.get(f"{API}/verify", headers=bearer(secret_of(api_key))).status_code == 204


def test_a_check_needs_no_csrf_token_and_reads_no_body(api_key):
    body = b"not what the header says"
    client = Client(enforce_csrf_checks=True)
    response = client.generic(
        "POST", f"{API}/verify", body, content_type="multipart/form-data", headers=bearer(secret_of(api_key))
    )
    assert response.status_code == 204
    assert response.wsgi_request._read_started is False


def test_a_refusal_tells_nothing_of_the_identity(client):
    response = client.get(f"{API}/verify", headers=bearer("lk_no"))
    assert not [header for header in response.headers if header.startswith("X-Latchkey")]


def test_a_session_is_no_key(signed_in, owner):
    assert_error(signed_in(owner).get(f"{API}/verify"), 401, "key_missing")
