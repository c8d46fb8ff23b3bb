from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from apikeys.api import leak_reports
from apikeys.secrets import secret_format, vault


@register()
def keys_are_configured(**kwargs: Any) -> list[CheckMessage]:
    """The server refuses to start on a ring, pepper or prefix that cannot work."""
    errors: list[CheckMessage] = []
    # A project that embeds only the check has peppers, but no ring.
    for name in ("KEY_PEPPERS", *(["KEY_RING"] if hasattr(settings, "KEY_RING") else [])):
        try:
            if not vault.parse_ring(getattr(settings, name)):
                raise ImproperlyConfigured("It is empty.")
        except ImproperlyConfigured as error:
            errors.append(Error(f"{name}: {error}", id="apikeys.E001"))
    if not secret_format.PREFIX.fullmatch(settings.KEY_PREFIX):
        hint = "Up to 12 lower-case letters and digits, a letter first, then an underscore, as in lk_."
        errors.append(Error(f"KEY_PREFIX is no prefix: {settings.KEY_PREFIX!r}.", hint=hint, id="apikeys.E002"))
    try:
        leak_reports.parse_github_keys(getattr(settings, "GITHUB_PUBLIC_KEYS", ""))
    except ImproperlyConfigured as error:
        errors.append(Error(f"GITHUB_PUBLIC_KEYS: {error}", id="apikeys.E003"))
    return errors
