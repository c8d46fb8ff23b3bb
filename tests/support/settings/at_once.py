"""Settings that tests change while other threads of the process read them.

Django forgets all settings first and then puts the changed ones in their place. A thread that reads in between finds
none at all: "'NoneType' object has no attribute ...".
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
    """From now on, a change of settings is whole for every thread."""
    setattr(LazySettings, "__setattr__", _set_at_once)  # noqa: B010  type stubs hide it
