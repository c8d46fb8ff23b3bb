"""Other Django projects ask for scopes and costs, each with its own integration. The judge decides alike for all."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.verify.integrations.decorators import api_key_required
from apikeys.verify.integrations.judge import answer
from apikeys.verify.integrations.middleware import limit_fields
from apikeys.verify.integrations.ninja import ApiKeyAuth
from apikeys.verify.integrations.rest_framework import ApiKeyAuthentication
from common.answers.envelope import Refused

pytestmark = pytest.mark.django_db

WRITE, COST = "files:write", 3
CHALLENGE = 'Bearer realm="api", error="insufficient_scope", scope="files:write"'


class Writing(ApiKeyAuthentication):
    scopes, cost = [WRITE], COST


class Guarded(APIView):
    authentication_classes = [Writing]
    permission_classes: list[Any] = []

    def get(self, request: Any) -> Response:
        return Response({"scopes": request.auth.scopes})

    post = get


def with_ninja(request: Any) -> Any:
    try:
        return HttpResponse(ApiKeyAuth(scope=WRITE, cost=COST)(request).scopes)
    except Refused as error:
        return answer(request, error)


def with_function(request: Any) -> Any:
    """A class of Ninja takes a function that names the scopes for a request."""
    try:
        return HttpResponse(ApiKeyAuth(scope=lambda request: WRITE, cost=COST)(request).scopes)
    except Refused as error:
        return answer(request, error)


def with_rest(request: Any) -> Any:
    response = Guarded.as_view()(request)
    return response if response.status_code >= 400 else HttpResponse(response.data["scopes"], headers=response.headers)


WAYS = {
    "decorator": api_key_required(scope=WRITE, cost=COST)(lambda request: HttpResponse(request.identity.scopes)),
    "ninja": limit_fields(with_ninja),
    "ninja with a function": limit_fields(with_function),
    "rest": limit_fields(with_rest),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def ask(request, rf, api_key):
    def send(method="POST"):
        return request.param(rf.generic(method, "/", headers={"Authorization": f"Bearer {api_key.secret}"}))

    return send


def code_of(response: Any) -> Any:
    return response.data["code"] if hasattr(response, "data") else json.loads(response.content)["error"]["code"]


def test_a_view_asks_for_its_scope(ask, api_key):
    for scopes, status in ((None, 200), ((WRITE,), 200), (("files:read",), 403)):
        restrict_key(key=api_key, restrictions=Restrictions(scopes=scopes), by=None)
        response = ask()
        assert response.status_code == status
        if status == 200:
            assert response.content.decode() == ("*" if scopes is None else WRITE)
    assert (code_of(response), response.headers["WWW-Authenticate"]) == ("insufficient_scope", CHALLENGE)


def test_a_read_only_key_is_judged_by_the_requests_own_method(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    assert ask("GET").content == b"read"
    assert (ask().status_code, code_of(ask())) == (403, "read_only")
    assert "WWW-Authenticate" not in ask().headers


def test_a_key_is_used_from_its_networks_alone(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(networks=("192.0.2.0/24",)), by=None)
    assert (ask().status_code, code_of(ask())) == (403, "address_refused")
    restrict_key(key=api_key, restrictions=Restrictions(networks=("127.0.0.1/32",)), by=None)
    assert ask().status_code == 200


def test_a_view_counts_as_its_cost_and_tells_what_is_left(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(quota=Limit(7, Window.MONTH))), by=None)
    answers = [ask() for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["RateLimit"].split(";")[1] for each in answers] == ["r=4", "r=1", "r=1"]
    assert all(each.headers["RateLimit-Policy"].startswith('"quota";q=7;w=') for each in answers)
    assert code_of(answers[2]) == "quota_reached"
    assert int(answers[2].headers["Retry-After"]) > 0


def test_a_view_that_costs_more_than_a_limit_says_so(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(rate=Limit(2, Window.HOUR))), by=None)
    assert (ask().status_code, code_of(ask())) == (422, "invalid")


def test_answers_without_limits_have_no_fields(ask):
    assert not [name for name in ask().headers if name.startswith("RateLimit")]
