"""What the provider says of itself: its addresses and its keys. Both are kept for some minutes.

A failure is kept for some seconds, so that everybody who comes meanwhile is answered at once.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from accounts.single_sign_on.conversation import Conversation
from accounts.single_sign_on.problems import Unavailable

KEPT_SECONDS, FAILED_SECONDS = 300.0, 5.0
# An unknown key makes us ask again, but not for each token that somebody makes up.
KEYS_LEAST_SECONDS = 10.0

_lock = threading.Lock()
_kept: dict[str, tuple[float, Any]] = {}  # by address: when it was asked for, and the answer or the failure


class ProviderAddresses(NamedTuple):
    authorization: str
    token: str
    keys: str
    userinfo: str  # "" if it has none
    takes_secret_in_form: bool


def addresses(conversation: Conversation) -> ProviderAddresses:
    """Raises Unavailable."""
    url = settings.OIDC_ISSUER.rstrip("/") + "/.well-known/openid-configuration"
    found: ProviderAddresses = _remembered(url, KEPT_SECONDS, lambda: _read(conversation.get(url)))
    return found


def keys(conversation: Conversation, url: str, *, again: bool = False) -> list[dict[str, Any]]:
    """The provider's public keys. `again`: a token names a key that is not among those that are kept."""
    seconds = KEYS_LEAST_SECONDS if again else KEPT_SECONDS
    found: list[dict[str, Any]] = _remembered(url, seconds, lambda: _keys(conversation.get(url)))
    return found


def forget() -> None:
    with _lock:
        _kept.clear()


def _remembered(url: str, seconds: float, ask: Callable[[], Any]) -> Any:
    now = time.monotonic()
    with _lock:
        asked_at, found = _kept.get(url, (None, None))
    if isinstance(found, Unavailable):
        seconds = FAILED_SECONDS
    if asked_at is None or now - asked_at >= seconds:
        try:
            found = ask()
        except Unavailable as error:
            found = error
        with _lock:
            _kept[url] = (now, found)
    if isinstance(found, Unavailable):
        raise Unavailable(found.reason)
    return found


def _read(found: dict[str, Any]) -> ProviderAddresses:
    if found.get("issuer") != settings.OIDC_ISSUER:
        raise Unavailable("issuer_of_discovery")
    # Without the list, only HTTP Basic is known (OpenID Connect Discovery 1.0, 3).
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return ProviderAddresses(
        authorization=_usable(found.get("authorization_endpoint")),
        token=_usable(found.get("token_endpoint")),
        keys=_usable(found.get("jwks_uri")),
        userinfo=_usable(found["userinfo_endpoint"]) if "userinfo_endpoint" in found else "",
        takes_secret_in_form="client_secret_basic" not in methods,
    )


def _usable(url: Any) -> str:
    """The address, which has the issuer's scheme: https, except in development."""
    try:
        parts, schemes = urlsplit(url), {"https", urlsplit(settings.OIDC_ISSUER).scheme}
        if isinstance(url, str) and url.isascii() and parts.hostname and parts.scheme in schemes:
            return url
    except (AttributeError, TypeError, ValueError):
        pass
    raise Unavailable("addresses_of_discovery")


def _keys(found: dict[str, Any]) -> list[dict[str, Any]]:
    listed = found.get("keys")
    return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
