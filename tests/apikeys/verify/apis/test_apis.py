"""docs/apis.md: an API in each language asks Latchkey itself. One table of cases for all of them."""

import re
from typing import NamedTuple

import pytest

from apikeys.bounds.restrictions import Limit, Limits, Window
from apikeys.bounds.services import limit_project
from apikeys.keys import pausing, services
from apikeys.secrets import secret_format
from tests.support.apis.examples import LANGUAGES
from tests.support.calls.api_helpers import RawAnswer, assert_error
from tests.support.gateways.gateway_attacks import head, send

# What an API does with an answer does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


def assert_let_in(answer, api_key, scopes: str = "*") -> None:
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "Key": api_key.public_id,
        "Project": api_key.project.public_id,
        "User": api_key.created_by.public_id,
        "Scopes": scopes,
    }


def left(answer, name: str = "quota") -> int:
    [state] = re.findall(rf'"{name}";r=(\d+);t=\d+', answer.headers["RateLimit"])
    return int(state)


# What each language has to do with what kind of key and request

QUOTA = Limits(quota=Limit(9, Window.MONTH))


class Case(NamedTuple):
    """A request of a client at 127.0.0.2, with a key that `bounds` restrict. `code` is None if it is let in."""

    bounds: dict
    method: str
    path: str
    status: int
    code: str | None


CASES = {
    "a good key": Case({}, "GET", "/whose", 200, None),
    "a good key that posts": Case({}, "POST", "/whose", 200, None),
    "a read-only key that reads": Case({"read_only": True}, "GET", "/whose", 200, None),
    "a read-only key that posts": Case({"read_only": True}, "POST", "/whose", 403, "read_only"),
    "a key with both scopes": Case({"scopes": ("files:read", "files:write")}, "POST", "/copies", 200, None),
    "a key that lacks a scope": Case({"scopes": ("files:read",)}, "POST", "/copies", 403, "insufficient_scope"),
    "a key with chosen scopes, where none is needed": Case({"scopes": ("files:read",)}, "POST", "/whose", 200, None),
    "a key at its own address": Case({"networks": ("127.0.0.2/32",)}, "GET", "/whose", 200, None),
    "a key at another address": Case({"networks": ("203.0.113.9/32",)}, "GET", "/whose", 403, "address_refused"),
    "a cost beyond every window": Case(
        {"limits": Limits(quota=Limit(4, Window.MONTH))}, "POST", "/copies", 422, "invalid"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_kind_of_key_and_request(example, api_key, restrict, bearer, case):
    restrict(**case.bounds)
    answer = example.request(case.method, case.path, headers=bearer)
    if case.code is None:
        scopes = "read" if case.bounds.get("read_only") else " ".join(case.bounds.get("scopes", "*"))
        assert_let_in(answer, api_key, scopes)
    else:
        assert_error(answer, case.status, case.code)
    # A HEAD request is answered alike, without a body.
    if case.method == "GET":
        bodiless = example.request("HEAD", case.path, headers=bearer)
        assert (bodiless.status_code, bodiless.content) == (case.status, b"")
        names = ["WWW-Authenticate", "Content-Type"]
        assert [bodiless.headers[name] for name in names] == [answer.headers[name] for name in names]


def test_the_missing_scopes_are_named(example, restrict, bearer):
    """RFC 6750, 3.1"""
    restrict(scopes=("files:read",))
    answer = example.request("POST", "/copies", headers=bearer)
    challenge = 'Bearer realm="api", error="insufficient_scope", scope="files:read files:write"'
    assert answer.headers.get_all("WWW-Authenticate") == [challenge]


HEADERS: dict[str, tuple[list[bytes], str]] = {
    "none": ([], "key_missing"),
    "empty": ([b""], "key_malformed"),
    "another scheme": ([b"Basic {}"], "key_malformed"),
    "without a scheme": ([b"{}"], "key_malformed"),
    "cut off": ([b"Bearer lk_123"], "key_malformed"),
    "a tab": ([b"Bearer\t{}"], "key_malformed"),
    "Latin-1": ([b"Bearer {}\xe9"], "key_malformed"),
    "UTF-8": (["Bearer {}\u2026".encode()], "key_malformed"),
    "two keys in one header": ([b"Bearer {}, Bearer {}"], "key_malformed"),
    "two headers": ([b"Bearer {}", b"Bearer {}"], "key_malformed"),
    "an empty header before": ([b"", b"Bearer {}"], "key_malformed"),
    "an empty header after": ([b"Bearer {}", b""], "key_malformed"),
}


def ask_with(example, api_key, *values: bytes) -> RawAnswer:
    lines = ["Authorization: " + value.decode("latin-1").replace("{}", api_key.secret) for value in values]
    return RawAnswer(send(example, head("Host: api", *lines, "Connection: close", first="GET /whose HTTP/1.1")))


@pytest.mark.parametrize(("values", "code"), HEADERS.values(), ids=HEADERS.keys())
def test_no_other_header_than_one_key_is_let_in(example, api_key, values, code):
    assert_error(ask_with(example, api_key, *values), 401, code)


# The API's own server rejects some of these.
CONTROL = ["\r", "\x00", "\x01", "\x0b", "\x1f", "\x7f", "\x80", "\x85", "\xa0"]
# A header over two lines. It is rejected, or read as one (RFC 9112, 5.2), or ends with the first line.
FOLDED = ["\n", "\r\n ", "\r\n\t"]


def test_a_key_with_a_control_character_is_not_let_in(example, api_key):
    for each in CONTROL:
        for value in (f"Bearer{each}{{}}", f"Bearer {{}}{each}", f"Bearer {{}}{each}x", f"{each}Bearer {{}}"):
            answer = ask_with(example, api_key, value.encode("latin-1"))
            if answer.status_code != 400:
                assert_error(answer, 401, "key_malformed")


def test_a_header_over_two_lines_is_no_failure_of_latchkey(example, api_key):
    for each in FOLDED:
        for value in (f"Bearer {{}}{each}", f"Bearer{each}{{}}", f"Bearer {{}}{each}x"):
            assert ask_with(example, api_key, value.encode()).status_code in {200, 400, 401}


def test_keys_that_nobody_has_are_not_let_in(example, api_key, owner, bearer):
    unknown = {"Authorization": f"Bearer {secret_format.generate('lk_')}"}
    assert_error(example.request(path="/whose", headers=unknown), 401, "key_unknown")
    pausing.pause_key(key=api_key, by=owner)
    assert_error(example.request(path="/whose", headers=bearer), 401, "key_paused")
    pausing.resume_key(key=api_key, by=owner)
    assert_let_in(example.request(path="/whose", headers=bearer), api_key)
    services.delete_key(key=api_key, by=owner)
    assert_error(example.request(path="/whose", headers=bearer), 401, "key_deleted")


def test_a_pause_holds_for_the_very_next_request(example, api_key, owner, bearer):
    for _ in range(5):
        assert example.request(path="/whose", headers=bearer).status_code == 200
        pausing.pause_key(key=api_key, by=owner)
        assert_error(example.request(path="/whose", headers=bearer), 401, "key_paused")
        pausing.resume_key(key=api_key, by=owner)


def test_limits_and_costs_reach_the_client(example, api_key, restrict, bearer):
    limit_project(project=api_key.project, limits=Limits(quota=Limit(1000, Window.MONTH)), by=None)
    restrict(limits=QUOTA)
    calls = [("GET", "/whose"), ("POST", "/copies"), ("GET", "/limits"), ("POST", "/copies"), ("HEAD", "/whose")]
    first, costly, free, refused, bodiless = (example.request(*call, headers=bearer) for call in calls)
    assert [each.status_code for each in (first, costly, free, bodiless)] == [200] * 4
    assert [left(each) for each in (first, costly, refused, bodiless)] == [8, 3, 3, 2]
    assert (left(first, "project-quota"), left(costly, "project-quota")) == (999, 994)
    assert free.headers.get("RateLimit") is None, "what costs nothing has no such fields"
    assert_error(refused, 429, "quota_reached")
    [wait] = refused.headers.get_all("Retry-After")
    assert int(wait) >= 1
    for answer in (first, costly, refused, bodiless):
        assert len(answer.headers.get_all("RateLimit")) == len(answer.headers.get_all("RateLimit-Policy")) == 1
        assert answer.headers["RateLimit-Policy"].startswith('"quota";q=9;w=')
        assert not [name for name in answer.headers if "latchkey" in name.lower()]


def test_a_key_without_limits_has_no_fields_of_limits(example, bearer):
    answer = example.request(path="/whose", headers=bearer | {"RateLimit": "forged", "RateLimit-Policy": "forged"})
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]


def lines_that_ask(text: str) -> list[str]:
    """The lines of code, without imports, comments and empty lines."""
    text = re.sub(
        r'^import \(.*?^\)$|^import [^\n]*;$|^ *""".*?"""$|^package [^\n]*$', "", text, flags=re.MULTILINE | re.DOTALL
    )
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "//", "import ", "from "))]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.__name__)
def test_what_asks_latchkey_has_at_most_forty_lines(language):
    """So many lines as docs/apis.md says."""
    lines = lines_that_ask((language.source() / language.asks).read_text())
    assert 20 < len(lines) <= 40, lines
    assert any("/api/v1/verify" in line or "l.Check" in line for line in lines)
