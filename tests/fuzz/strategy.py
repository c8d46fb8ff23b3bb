"""Requests to a route: mostly right, so that they get far, with something in them that nobody expects."""

from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.attacks import Attack, Pairs
from tests.fuzz.fields import Discovered
from tests.fuzz.stage import NOBODY, PEOPLE
from tests.fuzz.words import COOKIES, CREDENTIALS, HEADERS, HOSTILE, KINDS, METHODS, PATH_TEXT, TEXT
from tests.routes import Route

# What a field is given where its form leaves it empty and a right answer is wanted.
_RIGHT = {"name": "Staging", "confirmation": "«name»", "email": "«email»", "login": "«email»"}
_IDS = ("project_id", "key_id", "file_id", "id")


def attacks_on(route: Route, discovered: Discovered) -> st.SearchStrategy[Attack]:
    names = sorted(discovered.names)
    return st.builds(
        Attack,
        route=st.just(route),
        who=st.sampled_from(_who(route)),
        method=st.sampled_from(METHODS),
        path=_paths(route),
        query=_queries(names),
        headers=_headers(route),
        cookies=_pairs(st.sampled_from(COOKIES), 1),
        has_token=st.sampled_from([True, True, True, False]),
        fields=_bodies(route, discovered, names),
        files=_pairs(st.sampled_from(["file", "file", "name", *names[:3]]), 2),
        is_multipart=st.booleans() if not route.is_api else st.just(True),
        content_type=_seldom(st.sampled_from(KINDS)),
        raw_body=_seldom(st.binary(max_size=60)),
        is_chunked=_seldom(st.just(True)).map(bool),
    )


def _seldom(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), st.none(), st.none(), st.none(), strategy)


def _who(route: Route) -> list[str]:
    """Those whom the route knows come more often."""
    if route.is_api:
        return [NOBODY]
    return [NOBODY, *PEOPLE, *(["admin"] * 4 + ["helper"] if route.is_admin else ["owner"] * 3)]


def _paths(route: Route) -> st.SearchStrategy[str]:
    """Right ids, others' ids, ids of nothing, and what is no id; seldom another path altogether."""
    right = {name: f"«{name}»" for name in _IDS} | {"object_id": "«row»"}
    others = {name: f"«never_{name}»" for name in _IDS} | {"key_id": "«own_key_id»", "id": "999999"}
    strange = PATH_TEXT.map(lambda text: quote(text, safe="", errors="surrogatepass"))
    return st.one_of(
        st.just(route.path(**right)),
        st.just(route.path(**right)),
        st.just(route.path(**others)),
        st.builds(lambda text, name: route.path(**(right | {name: text})), strange, st.sampled_from([*right, "url"])),
        st.builds(lambda text, at: _inserted(route.path(**right), text, at), strange, st.integers(0, 20)),
    )


def _inserted(path: str, text: str, at: int) -> str:
    """`text` put in front of a segment of `path`."""
    segments = path.split("/")
    place = 1 + at % (len(segments) - 1)
    return "/".join([*segments[:place], text + segments[place], *segments[place + 1 :]])


def _queries(names: list[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(st.sampled_from(names) | TEXT, TEXT)
    written = st.lists(pair, max_size=4).map(lambda pairs: "&".join(f"{_escaped(n)}={_escaped(v)}" for n, v in pairs))
    raw = st.text("ab%01F=&;+[]?/\\'\"<>", max_size=20)
    return st.one_of(st.just(""), written, written, raw)


def _escaped(text: str) -> str:
    return text if text.startswith("«") else quote(text, safe="", errors="surrogatepass")


def _headers(route: Route) -> st.SearchStrategy[Pairs]:
    strange = _pairs(st.sampled_from(HEADERS), 3)
    if not route.is_api:
        return strange
    credential = st.sampled_from(CREDENTIALS) | TEXT
    given = st.lists(credential, min_size=1, max_size=2).map(lambda values: tuple(("Authorization", v) for v in values))
    return st.builds(lambda first, second: first + second, st.one_of(given, given, st.just(())), strange)


def _pairs(names: st.SearchStrategy[str], most: int) -> st.SearchStrategy[Pairs]:
    return st.lists(st.tuples(names, TEXT), max_size=most).map(tuple)


def _bodies(route: Route, discovered: Discovered, names: list[str]) -> st.SearchStrategy[Pairs]:
    """A form that a page sends here, right but for one field and with some that it does not have."""
    forms = discovered.of(route) or [{}]

    def spoilt(form: dict[str, str], at: int, value: str | None, more: Pairs) -> Pairs:
        fields = [(name, given or _RIGHT.get(name, "")) for name, given in sorted(form.items())]
        if value is not None and fields:
            fields[at % len(fields)] = (fields[at % len(fields)][0], value)
        return (*fields, *more)

    extra = _pairs(st.sampled_from(names) | st.sampled_from(HOSTILE[:12]), 2)
    one_value = st.one_of(st.none(), TEXT, TEXT)
    return st.builds(spoilt, st.sampled_from(forms), st.integers(0, 30), one_value, st.one_of(st.just(()), extra))
