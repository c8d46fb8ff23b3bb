"""docs/gateways: what restricts a key holds through each proxy, and no client gets around it."""

import re
from functools import partial

import pytest

from apikeys.bounds.restrictions import Limit, Limits, Window
from apikeys.bounds.services import limit_project
from tests.support.calls.api_helpers import RawAnswer, assert_error
from tests.support.environment import lacking
from tests.support.gateways.gateway_attacks import SPELLINGS, WEBSOCKET, assert_the_gateways_own, head, send
from tests.support.gateways.proxies import Envoy, find

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

READING = ("GET", "HEAD", "OPTIONS")
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
# An ordinary client sends none of these. A proxy may reject one of them itself.
UNUSUAL = ("get", "Get", "head", "post", "pOST", "GETX", "G", "PROPFIND", "M-SEARCH", "TRACE", "X" * 33, "GET\tX")
METHOD_HEADERS = ["X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override", "X-HTTP-Method"]
METHOD_HEADERS += ["X-Method-Override", "X_Forwarded_Method", "X-Forwarded_Method", "X_Original_Method"]
# Whatever could be taken for the method, a scope or a cost.
FORGERIES = [
    [],
    [f"{name}: GET" for name in METHOD_HEADERS],
    [f"{name}: {value}" for name in METHOD_HEADERS for value in ("GET", "HEAD")],
    [f"{name}: files:read" for name in SPELLINGS if "scope" in name.lower()],
    [f"{name}: 0" for name in SPELLINGS if "cost" in name.lower()] * 2,
    ["Connection: close, X-Latchkey-Cost, X-Latchkey-Require-Scope, X-Original-Method"],
    ["X-Original-URL: /a", "X-Rewrite-URL: /a"],
]
QUERIES = (
    "",
    "?cost=0&scope=x",
    "?cost=0",
    "?scope=files:read",
    "?cost=0&cost=0",
    "?_method=GET",
    "??cost=0",
    "?%3Fcost=0",
)


@pytest.fixture
def call(gateway_with_recipes, api_key):
    """Sends a request line and headers to the gateway with all recipes."""
    return partial(sent, gateway_with_recipes, api_key)


def sent(gateway, api_key, method: str, path: str, *lines: str) -> RawAnswer:
    key = f"Authorization: Bearer {api_key.secret}"
    everything = ["Host: api", key, *lines, "Content-Length: 0", "Connection: close"]
    return RawAnswer(send(gateway, head(*everything, first=f"{method} {path} HTTP/1.1")))


def left(answer, name: str = "quota") -> int:
    [state] = re.findall(rf'"{name}";r=(\d+);t=\d+', answer.headers["RateLimit"])
    return int(state)


def test_a_read_only_key_reads_and_changes_nothing(gateway, api, api_key, restrict, bearer):
    """P23"""
    restrict(read_only=True)
    for method in READING:
        assert gateway.request(method, "/a", headers=bearer).status_code == 200
        seen = api.received.pop()
        assert seen.method == method
        assert_the_gateways_own(seen, api_key)
        assert seen.header("X-Latchkey-Scopes") == "read"
    for method in CHANGING:
        assert "read only" in assert_error(gateway.request(method, "/a", headers=bearer), 403, "read_only")
    assert api.received == []
    restrict()
    for method in CHANGING:
        assert gateway.request(method, "/a", headers=bearer).status_code == 200
    assert [seen.method for seen in api.received] == [*CHANGING]


def test_a_call_needs_the_scope_that_the_gateway_names(gateway_with_recipes, api, api_key, restrict, bearer):
    """P24: the check's challenge reaches the client (RFC 6750, 3.1)."""
    gateway = gateway_with_recipes
    restrict(scopes=("files:read",))
    for method, path in (
        ("GET", "/documents"),
        ("HEAD", "/documents/7?a=b"),
        ("POST", "/else"),
        ("PUT", "/documents2"),
    ):
        assert gateway.request(method, path, headers=bearer).status_code == 200
        assert_the_gateways_own(api.received.pop(), api_key)
    answer = gateway.request("POST", "/documents/7", headers=bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
    challenge = 'Bearer realm="api", error="insufficient_scope", scope="files:write"'
    assert answer.headers.get_all("WWW-Authenticate") == [challenge]
    assert api.received == []
    restrict(scopes=("files:read", "files:write"))
    assert gateway.request("POST", "/documents/7", headers=bearer).status_code == 200
    restrict(scopes=("files:write",))
    assert gateway.request("GET", "/documents", headers=bearer).status_code == 403
    [seen] = api.received
    assert seen.header("X-Latchkey-Scopes") == "files:read files:write"


def test_a_rate_limit_and_its_headers_reach_the_client(gateway, api, api_key, restrict, bearer):
    """P26: an answer that the limit allows has the fields too."""
    limit_project(project=api_key.project, limits=Limits(quota=Limit(1000, Window.MONTH)), by=None)
    restrict(limits=Limits(rate=Limit(3, Window.HOUR)))
    answers = [gateway.request(method, "/a", headers=bearer) for method in ("GET", "POST", "GET", "GET", "HEAD")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    for answer in answers:
        assert len(answer.headers.get_all("RateLimit")) == len(answer.headers.get_all("RateLimit-Policy")) == 1
        assert not [name for name in answer.headers if "latchkey" in name.lower()]
    for answer in answers[:3]:
        assert answer.content == b"the API's own answer"
        assert answer.headers["RateLimit-Policy"].startswith('"rate";q=3;w=3600, "project-quota";q=1000;w=')
        assert answer.headers.get("Retry-After") is None
    assert [left(answer, "rate") for answer in answers] == [2, 1, 0, 0, 0]
    assert [left(answer, "project-quota") for answer in answers[:3]] == [999, 998, 997]
    assert_error(answers[3], 429, "rate_limited")
    for answer in answers[3:]:
        assert answer.headers["RateLimit-Policy"] == '"rate";q=3;w=3600'
        [wait] = answer.headers.get_all("Retry-After")
        assert 1 <= int(wait) <= 3600
    assert len(api.received) == 3
    for seen in api.received:
        assert_the_gateways_own(seen, api_key)


def test_a_call_costs_what_the_gateway_says(gateway_with_recipes, api, restrict, bearer):
    """P26: a cost that no window allows is told as such, and is no failure of Latchkey."""
    gateway = gateway_with_recipes
    restrict(limits=Limits(quota=Limit(12, Window.MONTH)))
    answers = [gateway.request("POST", path, headers=bearer) for path in ("/reports/1", "/a", "/reports")]
    assert [left(answer) for answer in answers] == [7, 6, 1]
    assert_error(gateway.request("GET", "/reports", headers=bearer), 429, "quota_reached")
    assert left(gateway.request(path="/a", headers=bearer)) == 0
    restrict(limits=Limits(quota=Limit(4, Window.MONTH)))
    answer = gateway.request("GET", "/reports", headers=bearer)
    assert "costs 5" in assert_error(answer, 422, "invalid")
    assert answer.headers.get("Retry-After") is None
    assert len(api.received) == 4


def test_the_apis_own_fields_of_limits_arrive_as_well(gateway, restrict, bearer):
    """P26"""
    assert gateway.request(path="/limited", headers=bearer).headers.get_all("RateLimit") == ['"own";r=7;t=1']
    restrict(limits=Limits(quota=Limit(9, Window.MONTH)))
    fields = gateway.request(path="/limited", headers=bearer).headers.get_all("RateLimit")
    assert re.findall(r'"(\w+)";r=(\d+)', ", ".join(sorted(fields))) == [("own", "7"), ("quota", "8")]


def test_a_key_without_limits_has_no_fields_of_limits(gateway, bearer):
    """P26"""
    answer = gateway.request(headers=bearer | {"X-Latchkey-Limit": "a;r=1", "X-Latchkey-Limit-Policy": "forged"})
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]


def test_no_method_or_header_lets_a_read_only_key_change_anything(call, api, restrict):
    """B5: only a request whose method is GET, HEAD or OPTIONS to the byte reaches the API."""
    restrict(read_only=True)
    for method in (*CHANGING, *UNUSUAL):
        for lines in FORGERIES if method in {"DELETE", "get"} else FORGERIES[:3]:
            answer = call(method, "/a?_method=GET", *lines)
            assert answer.status_code in {400, 403, 405, 501}, (method, lines)
            if method in CHANGING:
                assert_error(answer, 403, "read_only")
    assert api.received == []
    for lines in FORGERIES:
        assert call("GET", "/a", *lines).status_code == 200
    for seen in api.received:
        names = {name.lower() for name, _ in seen.headers}
        assert not names & {"x-http-method-override", "x-http-method", "x-method-override", "x-original-url"}


# Writings of /documents that some server reads as it.
OF_DOCUMENTS = ["/documents", "/DOCUMENTS/1", "/documents/", "/documents.json", "/documents;a=b", "/documents/..;/a"]
OF_DOCUMENTS += [
    "//documents",
    "/./documents",
    "/a/../documents",
    "/a/%2e%2e/documents",
    "/%64ocuments",
    "/%2564ocuments",
]
OF_DOCUMENTS += [
    "/documents%2f1",
    "/documents%2F..",
    "/documents%5c1",
    "/documents\\1",
    "/documents#x",
    "/documents%23",
]
OF_DOCUMENTS += [
    "/documents%00",
    "/documents%20",
    "/documents%3b",
    "/documents\x85",
    "/a;/../documents",
    "/%2fdocuments",
]
OF_DOCUMENTS += ["http://api/documents", "http://api//documents", "documents", "/a/..", "/documents/.", "/documents//"]


def test_no_query_header_or_writing_of_a_path_saves_a_scope(call, api, restrict):
    """B5"""
    restrict(scopes=("files:read",))
    for lines in FORGERIES:
        for query in QUERIES:
            answer = call("POST", f"/documents/1{query}", *lines)
            assert answer.status_code in {400, 403}, (query, lines)
    for path in OF_DOCUMENTS:
        for method in ("POST", "post"):
            assert call(method, path).status_code in {400, 403, 404, 405}, (method, path)
    assert api.received == []


def test_no_query_header_or_writing_of_a_path_saves_a_count(call, api, restrict):
    """B5"""
    restrict(limits=Limits(quota=Limit(100_000, Window.MONTH)))
    before = 100_000
    for lines in FORGERIES:
        for query in QUERIES:
            answer = call("GET", f"/reports/1{query}", *lines)
            assert (answer.status_code, left(answer)) == (200, before - 5), (query, lines)
            answer = call("GET", f"/a{query}", *lines)
            assert (answer.status_code, left(answer)) == (200, before - 6), (query, lines)
            before -= 6
    api.received.clear()
    for path in OF_DOCUMENTS:
        answer = call("GET", path.replace("documents", "reports").replace("DOCUMENTS", "Reports"))
        if answer.status_code == 200:
            assert left(answer) == before - 5, path
        before = left(answer) if "RateLimit" in answer.headers else before


def test_an_envoy_that_adds_the_clients_query_counts_alike(server, tmp_path, api, restrict, bearer):
    """B5: below /verify/ the query is the client's and is not read."""
    if not find("envoy"):
        lacking("envoy")
    restrict(scopes=("files:read",), limits=Limits(quota=Limit(9, Window.MONTH)))
    changes = {"path_override: /api/v1/verify/": "path_prefix: /api/v1/verify"}
    gateway = Envoy(tmp_path, latchkey_port=server.check_port, api_port=api.server_port, changes=changes)
    gateway.start()
    try:
        answers = [gateway.request(path=f"/a{query}", headers=bearer) for query in QUERIES[:5]]
    finally:
        gateway.stop()
    assert [(answer.status_code, left(answer)) for answer in answers] == [(200, 8 - n) for n in range(5)]


def test_a_read_only_key_opens_a_websocket(gateway, api, api_key, restrict):
    """docs/gateways.md says so: the handshake is a GET request."""
    restrict(read_only=True)
    with gateway.connect() as connection:
        connection.sendall(head("Host: api", f"Authorization: Bearer {api_key.secret}", *WEBSOCKET))
        assert connection.recv(12) == b"HTTP/1.1 101"
    assert len(api.received) == 1
