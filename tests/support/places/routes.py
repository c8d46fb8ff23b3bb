"""Every URL that the server answers, read from the URLconf."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from common.row_ids import converter_for_rows

# Well-formed ids that never belonged to anything.
NEVER = {
    "project_id": "prj_0000000000000000",
    "key_id": "key_0000000000000000",
    "file_id": "file_0000000000000000",
    "user_id": "usr_0000000000000000",
    "invitation_id": "inv_0000000000000000",
}
NO_ROW = 10**18

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^)]*\))*\)")


class Route(NamedTuple):
    """`pattern` is the text in the URLconf: `projects/<project_id:project_id>/settings/`."""

    pattern: str
    view: Callable[..., Any]

    @property
    def is_admin(self) -> bool:
        return self.pattern.startswith("admin/")

    @property
    def is_account(self) -> bool:
        return self.pattern.startswith("accounts/")

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/")

    @property
    def is_page(self) -> bool:
        """Whether the route is one of our pages, which need a session and no key."""
        return not (self.is_admin or self.is_account or self.is_api)

    @property
    def is_open(self) -> bool:
        """Whether LoginRequired lets strangers in."""
        return not getattr(self.view, "login_required", True)

    def path(self, **ids: Any) -> str:
        """The route's address. A parameter that is not in `ids` gets a value that never existed."""

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if kind := re.match(r"<(session|passkey)_row:", match[0]):
                return converter_for_rows(kind[1])().to_url(ids.get(name, NO_ROW))
            return str(ids.get(name, NEVER.get(name, {"app_label": "projects", "url": "nowhere"}.get(name, "1"))))

        path = _PARAMETER.sub(value, self.pattern)
        return "/" + path.replace("^", "").replace("$", "")


def _walk(patterns: list[Any], before: str = "") -> Iterator[Route]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, before + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield Route(before + str(entry.pattern), entry.callback)


def all_routes() -> list[Route]:
    """Each pattern once. Where a pattern occurs twice, the first one answers."""
    routes: dict[str, Route] = {}
    for route in _walk(get_resolver().url_patterns):
        routes.setdefault(route.pattern, route)
    return list(routes.values())
