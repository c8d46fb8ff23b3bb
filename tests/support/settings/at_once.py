"""Lets tests change settings while other threads of the process read them.

Django first forgets all settings and then sets the new ones. A thread that reads between the two steps finds no
settings: "'NoneType' object has no attribute ...".
"""

from typing import Any

from django.conf import LazySettings

_set = LazySettings.__setattr__


def _set_at_once(self: LazySettings, name: str, value: Any) -> None:
    if name != "_wrapped":
        _set(self, name, value)
        return
    kept = vars(self)
    kept["_wrapped"] = value
    for remembered in [*kept]:
        if remembered != "_wrapped":
            kept.pop(remembered, None)


def install() -> None:
    """After this call, a change of settings is atomic for every thread."""
    setattr(LazySettings, "__setattr__", _set_at_once)  # noqa: B010  type stubs hide it
