"""The names of all fields, read from the forms and from the pages that show them. None is typed here by hand."""

import re
from collections import ChainMap
from collections.abc import Mapping
from functools import cache
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.forms import BaseForm
from django.urls import Resolver404, resolve

from tests.support.places.routes import Route

Fields = dict[str, str]


class _Forms(HTMLParser):
    """The forms of a page with their fields and targets, and the queries of its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.posts: list[tuple[str, Mapping[str, str]]] = []
        self.queries: list[str] = []
        self._form: tuple[str, Fields] | None = None
        self._with_id: dict[str, tuple[str, Fields]] = {}  # the forms that buttons elsewhere on the page may send
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        for address in (named.get("href"), named.get("hx-get"), named.get("hx-post")):
            self.queries += [name for name, _ in parse_qsl(urlsplit(address or "").query)]
        if tag == "form":
            self._form = (named.get("action", ""), {})
            if named.get("method", "get").lower() == "post":
                self.posts.append(self._form)
                self._with_id[named.get("id", "")] = self._form
        elif tag == "button" and "formaction" in named and (form := self._with_id.get(named.get("form", ""))):
            own = {named["name"]: named.get("value", "")} if "name" in named else {}
            self.posts.append((named["formaction"], ChainMap(own, form[1])))
        elif self._form and (name := named.get("name")):
            self._form[1].setdefault(name, named.get("value", ""))
            self._select = name
            self.queries.append(name)
            if to := named.get("formaction"):
                self.posts.append((to, self._form[1]))

        elif self._form and tag == "option" and not self._form[1].get(self._select):
            self._form[1][self._select] = named.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class Discovered:
    """`forms` are the forms that pages send to a route's view; `names` are all names that were seen anywhere."""

    def __init__(self) -> None:
        self.forms: dict[str, list[Fields]] = {}
        self.names: set[str] = set(_names_of_forms())

    def read(self, path: str, page: str) -> None:
        found = _Forms(page)
        self.names.update(found.queries)
        for action, fields in found.posts:
            self.names.update(fields)
            to = urlsplit(urljoin(path, action)).path
            try:
                pattern = resolve(to).route
            except Resolver404:
                continue
            rest = {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}
            if rest not in self.forms.setdefault(pattern, []):
                self.forms[pattern].append(rest)

    def of(self, route: Route) -> list[Fields]:
        return self.forms.get(route.pattern, [])


@cache
def _names_of_forms() -> frozenset[str]:
    """The names in every form class that is loaded, ours and the libraries'."""
    classes: list[type] = [BaseForm]
    names: set[str] = set()
    while classes:
        form = classes.pop()
        classes += form.__subclasses__()
        names.update(getattr(form, "base_fields", {}))
    return frozenset(name for name in names if re.fullmatch(r"[\w-]{1,40}", name))
