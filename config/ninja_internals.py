"""The only module that uses what Ninja keeps private. pyproject.toml pins Ninja's minor version for it.

tests/config/test_ninja_contract.py holds what this module relies on.
"""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI


class Api(NinjaAPI):
    """Ninja's API without its root, every view wrapped.

    The root answers 404 by itself, but lets /api/v1 be redirected to /api/v1/.
    """

    @staticmethod
    def wrap(view: Callable[..., Any]) -> Callable[..., Any]:
        raise NotImplementedError

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        patterns = [p for p in super()._get_urls() if isinstance(p, URLPattern) and p.name != "api-root"]
        for pattern in patterns:
            pattern.callback = self.wrap(pattern.callback)
        return [*patterns]
