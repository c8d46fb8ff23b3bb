"""docs/apis.md: what an API tells Latchkey of a request, whatever the client sends beside it."""

import pytest

from apikeys.bounds.restrictions import Limit, Limits, Window
from tests.support.calls.api_helpers import RawAnswer, assert_error
from tests.support.gateways.gateway_attacks import SPELLINGS, head, send
from tests.support.gateways.proxies import Witness

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

NAMES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "X_Original_Method"]
NAMES += ["X-Original-URL", "X-Rewrite-URL", "Cookie", "Upgrade", "HTTP2-Settings", "User-Agent", "Accept", *SPELLINGS]
QUERIES = ["", "?cost=0&scope=x", "?cost=0", "?scope=files:read", "?_method=GET", "?%3Fcost=0"]


def call(example, api_key, method: str, path: str, *lines: str) -> RawAnswer:
    key = f"Authorization: Bearer {api_key.secret}"
    sent = head("Host: api", key, *lines, "Content-Length: 0", "Connection: close", first=f"{method} {path} HTTP/1.1")
    return RawAnswer(send(example, sent))


def test_the_check_gets_key_address_and_method_and_nothing_of_the_clients(latchkey, example_to, api_key):
    forged = [f"{name}: forged" for name in NAMES]
    with Witness.running(latchkey.check_port) as witness:
        example = example_to(witness.server_port)
        for method, path in (("GET", "/whose"), ("POST", "/copies?cost=0&scope=x"), ("GET", "/limits?cost=9")):
            assert call(example, api_key, method, path, *forged).status_code == 200
    asked = [seen.path.partition("?") for seen in witness.received]
    assert {path for path, _, _ in asked} == {"/api/v1/verify"}
    costly = {"cost=5", "scope=files:read+files:write"}
    assert [set(filter(None, query.replace("%3A", ":").replace("%20", "+").split("&"))) for _, _, query in asked] == [
        set(),
        costly,
        {"cost=0"},
    ]
    assert [seen.header("X-Forwarded-Method") for seen in witness.received] == ["GET", "POST", "GET"]
    for seen in witness.received:
        assert "forged" not in str(seen)
        told = {name.lower(): value for name, value in seen.headers if name.lower().startswith(("x-", "auth"))}
        assert told == {
            "x-forwarded-for": told["x-forwarded-for"],
            "x-forwarded-proto": "http",
            "x-forwarded-method": seen.header("X-Forwarded-Method"),
            "authorization": f"Bearer {api_key.secret}",
        }
        # Go says the port, too.
        assert told["x-forwarded-for"].partition(":")[0] == "127.0.0.2"


@pytest.mark.parametrize("value", ["GET", "0", "127.0.0.3", "files:read", "*", "forged"])
def test_no_header_and_no_query_makes_a_key_do_more(example, api_key, restrict, value):
    lines = [f"{name}: {value}" for name in NAMES]

    def each(path: str) -> list[RawAnswer]:
        return [call(example, api_key, "POST", path + query, *lines) for query in QUERIES]

    restrict(read_only=True)
    for answer in each("/whose"):
        assert_error(answer, 403, "read_only")
    restrict(scopes=("files:read",))
    for answer in each("/copies"):
        assert_error(answer, 403, "insufficient_scope")
    restrict(networks=("127.0.0.3/32",))
    for answer in each("/whose"):
        assert "127.0.0.2" in assert_error(answer, 403, "address_refused")
    restrict(limits=Limits(quota=Limit(100, Window.MONTH)))
    counts = [answer.headers["RateLimit"].partition(";r=")[2].partition(";")[0] for answer in each("/copies")]
    assert counts == [str(100 - 5 * n) for n in range(1, len(QUERIES) + 1)]


def test_a_client_cannot_name_another_identity(example, api_key):
    answer = call(example, api_key, "GET", "/whose", *(f"{name}: forged" for name in NAMES))
    assert (answer.status_code, answer.json()["Key"]) == (200, api_key.public_id)
    assert "forged" not in str(answer.json())


@pytest.mark.parametrize("method", ["get", "Get", "PROPFIND", "M-SEARCH", "X" * 33, "DELETE", "PUT", "PATCH", "TRACE"])
def test_no_method_lets_a_read_only_key_in_but_those_that_read(example, api_key, restrict, method):
    """The API's own server or framework rejects some of these."""
    restrict(read_only=True)
    answer = call(example, api_key, method, "/whose")
    assert answer.status_code in {400, 403, 404, 405, 501}, answer.content


# An API behind a proxy. The clients of the tests are the proxy: the API believes what they write.

CHAIN = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "https"}


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_wrote(latchkey, example_to, restrict, bearer):
    example = example_to(latchkey.check_port, proxies=1)
    restrict(networks=("198.51.100.7/32",))
    assert example.request(path="/whose", headers=bearer | CHAIN).status_code == 200
    restrict(networks=("203.0.113.9/32",))
    message = assert_error(example.request(path="/whose", headers=bearer | CHAIN), 403, "address_refused")
    assert "198.51.100.7" in message


@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.2"])
def test_a_client_on_the_proxys_own_host_cannot_say_another_address(latchkey, example_to, restrict, bearer, own):
    """The proxy appends the client's address, which is one of its own."""
    example = example_to(latchkey.check_port, proxies=1)
    restrict(networks=("203.0.113.9/32",))
    forged = {"X-Forwarded-For": f"203.0.113.9, {own}"}
    message = assert_error(example.request(path="/whose", headers=bearer | forged), 403, "address_refused")
    assert own in message


def test_behind_a_proxy_the_protocol_is_the_one_that_the_proxy_wrote(latchkey, example_to, bearer):
    with Witness.running(latchkey.check_port) as witness:
        example = example_to(witness.server_port, proxies=1)
        assert example.request(path="/whose", headers=bearer | CHAIN).status_code == 200
    assert [seen.header("X-Forwarded-Proto") for seen in witness.received] == ["https"]
