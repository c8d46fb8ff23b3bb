"""The recipes of docs/gateways.md, inserted into the files from the page's own text."""

import pytest

from apikeys.keys import pausing
from tests.support.calls.api_helpers import RawAnswer, assert_error
from tests.support.gateways.gateway_attacks import SPELLINGS, assert_the_gateways_own, head, send
from tests.support.gateways.recipes import BLOCK, RECIPES, SITE

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


@pytest.fixture
def gateway(gateway_with_recipes):
    return gateway_with_recipes


def ask(gateway, *lines: str, method: str = "GET") -> RawAnswer:
    return RawAnswer(send(gateway, head("Host: api", *lines, "Connection: close", first=f"{method} /a HTTP/1.1")))


def listed(answer: RawAnswer, name: str) -> set[str]:
    return {entry.strip() for entry in answer.headers.get(name, "").split(",")}


def test_the_page_has_each_recipe_for_each_proxy():
    _, *recipes = RECIPES.split("\n### ")
    assert len(recipes) == 3
    for recipe in recipes:
        assert {proxy for proxy, *_ in BLOCK.findall(recipe)} == {"nginx", "caddy", "haproxy", "envoy"}


def test_the_recipes_of_the_page_work_together(gateway, api, api_key, owner):
    """T44: a preflight has no key and does not reach the API. X-API-Key is a key unless there is an Authorization."""
    preflight = [f"Origin: {SITE}", "Access-Control-Request-Method: POST"]
    forged = [f"{name}: forged" for name in SPELLINGS]
    for more in ([], forged, ["X-API-Key: x"], ["Access-Control-Request-Headers: authorization"]):
        answer = ask(gateway, *preflight, *more, method="OPTIONS")
        assert answer.status_code in {200, 204}, answer.status_code
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert listed(answer, "Access-Control-Allow-Methods") == {"GET", "POST", "PUT", "PATCH", "DELETE"}
        assert listed(answer, "Access-Control-Allow-Headers") == {"Authorization", "Content-Type", "X-API-Key"}
        assert answer.headers["Access-Control-Max-Age"] == "600"
        assert listed(answer, "Vary") == {"Origin"}
    # Neither preflights from other sites nor requests that only resemble a preflight are answered.
    for lines in (
        ["Origin: https://evil.example", preflight[1]],
        ["Origin: https://app.example.com.evil.example", preflight[1]],
        [f"Origin: {SITE}"],
        [preflight[1]],
        [],
    ):
        answer = ask(gateway, *lines, method="OPTIONS")
        assert_error(answer, 401, "key_missing")
        allowed = SITE if lines == [f"Origin: {SITE}"] else None
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    assert ask(gateway, *preflight).status_code == 401
    assert api.received == []

    key, wrong = f"Authorization: Bearer {api_key.secret}", "Authorization: Bearer wrong"
    x_api_key, wrong_x = f"X-API-Key: {api_key.secret}", "X-API-Key: wrong"
    for lines in ([key], [x_api_key], [x_api_key, *forged], [key, wrong_x], [key, *preflight]):
        answer = ask(gateway, *lines, f"Origin: {SITE}" if lines != [key, *preflight] else "X-Own: 1")
        assert answer.status_code == 200, lines
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} < listed(answer, "Access-Control-Expose-Headers")
        assert listed(answer, "Vary") == {"Origin"}
        seen = api.received.pop()
        assert_the_gateways_own(seen, api_key)
        assert seen.header("X-API-Key") is None
        assert api_key.secret not in str(seen)
    for lines in (
        [wrong_x],
        [wrong, x_api_key],
        ["Authorization: Basic eDp5", x_api_key],
        [f"X_API_Key: {api_key.secret}"],
    ):
        answer = ask(gateway, *lines, f"Origin: {SITE}")
        assert_error(answer, 401, "key_missing" if lines[0].startswith("X_") else "key_malformed")
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert {"RateLimit", "WWW-Authenticate"} < listed(answer, "Access-Control-Expose-Headers")
        assert "Origin" in listed(answer, "Vary")
    pausing.pause_key(key=api_key, by=owner)
    assert_error(ask(gateway, x_api_key), 401, "key_paused")
    assert api.received == []
