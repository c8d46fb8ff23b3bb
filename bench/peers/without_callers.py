"""The check as it is, but without the counting of addresses: what L5 compares the check with."""

from typing import Any

from config.check import application  # it sets Django up

from apikeys.usage import caller_bounds  # isort: skip


def _count_nothing(*request: Any) -> str:
    return ""


setattr(caller_bounds, "caller_of", _count_nothing)  # noqa: B010  mypy would take an assignment for a mistake
setattr(caller_bounds, "note", _count_nothing)  # noqa: B010

__all__ = ["application"]
