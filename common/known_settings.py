"""Django's settings, each read once: its lazy object takes half a microsecond for each access, and a check has several.

Only for what each check reads. Whatever changes a setting while a process runs tells Django, as tests do.
"""

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


class _Known:
    def __getattr__(self, name: str) -> Any:
        """Called for a setting that was not read yet. Raises AttributeError, as Django does, if there is none."""
        value = getattr(settings, name)
        setattr(self, name, value)
        return value


known = _Known()


def _forget(*, setting: str, **_: Any) -> None:
    vars(known).pop(setting, None)


setting_changed.connect(_forget)
