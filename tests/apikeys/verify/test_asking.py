"""What a gateway asks for: method, scopes and cost, at /verify in the query, below it in headers."""

from urllib.parse import quote

import pytest

from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.verify.asking import AskedMalformed, at_verify, below_verify
from tests.support.calls.api_helpers import assert_error

VERIFY = "/api/v1/verify"


def asked_at(query, **environ):
    return at_verify({"QUERY_STRING": query, **environ})


def asked_below(scope=None, cost=None, method="GET", query=""):
    named = {"HTTP_X_LATCHKEY_REQUIRE_SCOPE": scope, "HTTP_X_LATCHKEY_COST": cost}
    given = {name: value for name, value in named.items() if value is not None}
    return below_verify({"REQUEST_METHOD": method, "QUERY_STRING": query, **given})


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("files:read", ("files:read",)),
        ("files:read files:write", ("files:read", "files:write")),
        ("files:read files:read", ("files:read",)),
        ("x" * 64, ("x" * 64,)),
        ("a.b:c-d_0", ("a.b:c-d_0",)),
    ],
)
def test_scopes_stand_in_one_parameter(scope, names):
    assert asked_at(f"scope={quote(scope)}").scopes == names
    assert asked_at(f"scope={scope.replace(' ', '+')}").scopes == names
    assert asked_below(scope).scopes == names


@pytest.mark.nodb
@pytest.mark.parametrize(
    "scope",
    ["", " ", "files:read ", " files:read", "a  b", "A", "é", "a;b", "a\tb", "a\0", "x" * 65, "x" * 10_000, "*"],
)
def test_what_is_no_scope_is_refused(scope):
    for name, ask in {
        "scope": lambda: asked_at(f"scope={quote(scope)}"),
        "X-Latchkey-Require-Scope": lambda: asked_below(scope),
    }.items():
        with pytest.raises(AskedMalformed, match=f"^{name} must be names of scopes, separated by single spaces"):
            ask()


@pytest.mark.nodb
@pytest.mark.parametrize(("cost", "number"), [("0", 0), ("1", 1), ("1000", 1000), ("0005", 5)])
def test_a_cost_is_a_whole_number_up_to_a_thousand(cost, number):
    assert asked_at(f"cost={cost}").cost == asked_below(cost=cost).cost == number


@pytest.mark.nodb
@pytest.mark.parametrize(
    "cost", ["", "-1", "1.5", "1001", "1000000000", "+5", " 5", "5 ", "٥", "1e2", "0x5", "1_0", "five", "9" * 10_000]
)
def test_what_is_no_cost_is_refused(cost):
    for name, ask in {
        "cost": lambda: asked_at(f"cost={quote(cost)}"),
        "X-Latchkey-Cost": lambda: asked_below(cost=cost),
    }.items():
        with pytest.raises(AskedMalformed, match=rf"^{name} must be a whole number from 0 to 1,000\.$"):
            ask()


@pytest.mark.nodb
@pytest.mark.parametrize(
    "query", ["scope=a&scope=a", "cost=1&cost=0", "scope=a&x=1&%73cope=b", "cost=1&c%6fst=", "scope&scope"]
)
def test_what_is_given_twice_is_refused(query):
    """Otherwise the client could add to the gateway's query."""
    with pytest.raises(AskedMalformed, match="is given more than once"):
        asked_at(query)


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("scope", "cost", "name"),
    [
        ("a,a", None, "X-Latchkey-Require-Scope"),
        ("a, b", "1", "X-Latchkey-Require-Scope"),
        (None, "1,1", "X-Latchkey-Cost"),
        ("a", "0, 1", "X-Latchkey-Cost"),
    ],
)
def test_a_header_that_is_sent_twice_is_refused(scope, cost, name):
    """Servers join its values by commas."""
    with pytest.raises(AskedMalformed, match=f"^{name} is given more than once"):
        asked_below(scope, cost)


@pytest.mark.nodb
def test_other_parameters_mean_nothing():
    assert asked_at("") == asked_at("x=1&x=2&Scope=a&COST=0&scope[]=a&scope;cost=3") == Asked()
    with pytest.raises(AskedMalformed, match="more than 100 parameters"):
        asked_at("&".join(f"x{number}=1" for number in range(101)))


@pytest.mark.nodb
@pytest.mark.parametrize(
    ("forwarded", "original", "method"),
    [
        ("GET", None, "GET"),
        (None, "DELETE", "DELETE"),
        ("POST", "POST", "POST"),
        ("GET", "POST", None),
        ("GET", "get", None),
        (None, None, None),
        ("", None, None),
        ("GET,POST", None, None),
        ("GET POST", None, None),
        ("x" * 33, None, None),
    ],
)
def test_the_gateway_names_the_method_or_nobody_knows_it(forwarded, original, method):
    named = {"HTTP_X_FORWARDED_METHOD": forwarded, "HTTP_X_ORIGINAL_METHOD": original}
    given = {name: value for name, value in named.items() if value is not None}
    assert asked_at("", **given, REQUEST_METHOD="GET", HTTP_X_HTTP_METHOD_OVERRIDE="GET").method == method


@pytest.mark.nodb
def test_below_the_check_the_query_is_the_clients_and_the_method_its_own():
    assert asked_below("files:read", "5", "DELETE", "scope=a&scope=b&cost=0") == Asked("DELETE", ("files:read",), 5)
    assert asked_below(method="POST", query="cost=x") == Asked("POST")


# The answers


@pytest.fixture
def ask(client, api_key, db):
    def send(path=VERIFY, method="GET", **headers):
        return client.generic(method, path, headers={"Authorization": f"Bearer {api_key.secret}", **headers})

    return send


@pytest.mark.parametrize("query", ["scope=", "cost=-1", "cost=1&cost=1", "scope=%FF", f"scope={'x' * 10_000}"])
def test_what_a_gateway_asks_wrongly_is_422_and_says_what_to_correct(ask, query):
    assert "must be" in (said := assert_error(ask(f"{VERIFY}?{query}"), 422, "invalid")) or "more than once" in said


@pytest.mark.parametrize(
    ("restrictions", "told"),
    [
        (Restrictions(), "*"),
        (Restrictions(read_only=True), "read"),
        (Restrictions(scopes=("files:read", "files:write")), "files:read files:write"),
    ],
)
def test_an_allowed_request_says_what_its_key_may_do(ask, api_key, restrictions, told):
    restrict_key(key=api_key, restrictions=restrictions, by=None)
    for path in (VERIFY, f"{VERIFY}?scope=files:read", f"{VERIFY}/orders"):
        answer = ask(path, **{"X-Forwarded-Method": "GET"})
        assert (answer.status_code, answer["X-Latchkey-Scopes"]) == (204 if "orders" not in path else 200, told)


def test_a_missing_scope_is_named_in_the_challenge(ask, api_key):
    """RFC 6750, 3.1"""
    restrict_key(key=api_key, restrictions=Restrictions(scopes=("files:read",)), by=None)
    answers = (
        ask(f"{VERIFY}?scope=files:read+files:write"),
        ask(f"{VERIFY}/orders?scope=files:read", **{"X-Latchkey-Require-Scope": "files:read files:write"}),
    )
    for answer in answers:
        assert "the scope files:write" in assert_error(answer, 403, "insufficient_scope")
        scopes = 'error="insufficient_scope", scope="files:read files:write"'
        assert answer["WWW-Authenticate"] == f'Bearer realm="api", {scopes}'
        assert "X-Latchkey-Scopes" not in answer


def test_other_refusals_of_403_have_no_challenge(ask, api_key):
    for restrictions, refused in (
        (Restrictions(read_only=True), "method_unknown"),
        (Restrictions(networks=("192.0.2.1/32",)), "address_refused"),
    ):
        restrict_key(key=api_key, restrictions=restrictions, by=None)
        answer = ask()
        assert_error(answer, 403, refused)
        assert "WWW-Authenticate" not in answer
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    assert_error(ask(**{"X-Original-Method": "DELETE"}), 403, "read_only")


def test_a_cost_that_a_limit_never_allows_is_422(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(quota=Limit(5, Window.MONTH))), by=None)
    assert "the limit is 5" in assert_error(ask(f"{VERIFY}?cost=6"), 422, "invalid")
    assert [ask(f"{VERIFY}?cost={cost}").status_code for cost in (5, 0, 1)] == [204, 204, 429]
