"""Requests to a route that are correct except for one or two parts, because requests that are wrong everywhere reach
little code.
"""

from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.attacks import Attack, Pairs
from tests.fuzz.fields import Discovered
from tests.fuzz.stage import NOBODY, PEOPLE
from tests.fuzz.words import COOKIES, CREDENTIALS, HEADERS, HOSTILE, KEPT, KINDS, METHODS, PATH_TEXT, TEXT
from tests.support.places.routes import Route

# The value for a field that its form leaves empty, where a correct request is wanted.
_RIGHT = {"name": "Staging", "confirmation": "«name»", "email": "«email»", "login": "«email»", "user": "«id»"}
_RIGHT_IDS = {name: f"«{name}»" for name in ("project_id", "key_id", "file_id", "user_id", "invitation_id", "id")}
_RIGHT_IDS |= {"object_id": "«row»"}
_OTHER_IDS = {name: f"«never_{name}»" for name in _RIGHT_IDS} | {"key_id": "«own_key_id»", "id": "999999"}


def attacks_on(route: Route, discovered: Discovered) -> st.SearchStrategy[Attack]:
    names = sorted(discovered.names)
    strange = _strange(route, names)
    often = ["headers"] * 6 if route.is_api else ["fields"] * 4 if discovered.of(route) else ["query"] * 3
    right = _right(route, discovered)

    @st.composite
    def attack(draw: st.DrawFn) -> Attack:
        spoilt = draw(st.lists(st.sampled_from([*strange, *often]), min_size=1, max_size=2, unique=True))
        parts = {name: draw(strategy) for name, strategy in right.items()}
        if "fields" in spoilt:
            parts["fields"] = draw(_spoilt(parts["fields"], names))
        parts |= {name: draw(strange[name]) for name in spoilt if name != "fields"}
        if "headers" in spoilt and route.is_api:
            parts["headers"] += draw(st.just(()) | st.just((("Authorization", "Bearer «secret»"),)))
        return Attack(route, **parts)

    return attack()


def _right(route: Route, discovered: Discovered) -> dict[str, st.SearchStrategy[Any]]:
    forms = [
        tuple((name, value or _RIGHT.get(name, "")) for name, value in form.items()) for form in discovered.of(route)
    ]
    key = (("Authorization", "Bearer «secret»"),) if route.is_api else ()
    return {
        "who": st.just(whose(route)),
        "method": st.sampled_from(["POST", "POST", "GET"] if forms else ["GET", "GET", "POST", "DELETE"]),
        "path": st.just(route.path(**_RIGHT_IDS)),
        "headers": st.sampled_from([key, (*key, ("HX-Request", "true"))]),
        "fields": st.sampled_from(forms or [()]),
        "files": st.just((("file", "a.txt"),) if route.is_api else ()),
        "is_multipart": st.just(True) if route.is_api else st.booleans(),
    }


def whose(route: Route) -> str:
    if route.is_admin:
        return "admin"
    return NOBODY if route.is_api or route.is_open else "owner"


def _strange(route: Route, names: list[str]) -> dict[str, st.SearchStrategy[Any]]:
    """For each part of a request, the values that may replace it."""
    return {
        "who": st.sampled_from([NOBODY, *PEOPLE]),
        "method": st.sampled_from(METHODS),
        "path": _paths(route),
        "query": _queries(names),
        "headers": _headers(route),
        "cookies": _pairs(st.sampled_from(COOKIES), 2),
        "has_token": st.just(False),
        "fields": st.nothing(),
        "files": _pairs(st.sampled_from(["file", "name", *names[:3]]), 2, KEPT),
        "content_type": st.sampled_from(KINDS),
        "raw_body": st.binary(max_size=80),
        "is_chunked": st.just(True),
    }


def _paths(route: Route) -> st.SearchStrategy[str]:
    """Ids of others, ids of nothing, and strings that are no id; sometimes another path altogether."""
    text = PATH_TEXT.map(lambda text: quote(text, safe="", errors="surrogatepass"))
    return st.one_of(
        st.just(route.path(**_OTHER_IDS)),
        st.builds(
            lambda text, name: route.path(**(_RIGHT_IDS | {name: text})), text, st.sampled_from([*_RIGHT_IDS, "url"])
        ),
        st.builds(lambda text, at: _inserted(route.path(**_RIGHT_IDS), text, at), text, st.integers(0, 20)),
    )


def _inserted(path: str, text: str, at: int) -> str:
    """`text` inserted before a segment of `path`."""
    segments = path.split("/")
    place = 1 + at % (len(segments) - 1)
    return "/".join([*segments[:place], text + segments[place], *segments[place + 1 :]])


def _queries(names: list[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(st.sampled_from(names) | TEXT, TEXT)
    pairs = st.lists(pair, min_size=1, max_size=4)
    written = pairs.map(lambda pairs: "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in pairs))
    return st.one_of(written, written, st.text("ab%01F=&;+[]?/\\'\"<>", max_size=20))


def _escaped(text: str) -> str:
    return text if text.startswith("«") else quote(text, safe="", errors="surrogatepass")


def _headers(route: Route) -> st.SearchStrategy[Pairs]:
    strange = _pairs(st.sampled_from(HEADERS), 3)
    if not route.is_api:
        return strange
    credentials = st.lists(st.sampled_from(CREDENTIALS) | TEXT, min_size=1, max_size=2)
    return strange | credentials.map(lambda values: tuple(("Authorization", value) for value in values))


def _pairs(names: st.SearchStrategy[str], most: int, values: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[Pairs]:
    return st.lists(st.tuples(names, values), min_size=1, max_size=most).map(tuple)


def _spoilt(right: Pairs, names: list[str]) -> st.SearchStrategy[Pairs]:
    """The form with one field replaced, left out or doubled, or with fields that it does not have."""

    def change(at: int, how: str, value: str) -> Pairs:
        at %= len(right)
        changed = {"other": ((right[at][0], value),), "gone": (), "twice": (right[at], (right[at][0], value))}
        return (*right[:at], *changed[how], *right[at + 1 :])

    more = _pairs(st.sampled_from(names) | st.sampled_from(HOSTILE[:12]), 2, KEPT).map(lambda pairs: right + pairs)
    if not right:
        return more
    how = st.sampled_from(["other", "other", "other", "gone", "twice"])
    return st.one_of(st.builds(change, st.integers(0, 30), how, KEPT), more)
