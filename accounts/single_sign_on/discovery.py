"""What the provider says of itself: its addresses and its keys. Both are kept for some minutes.

A failure is kept for some seconds, so that everybody who comes meanwhile is answered at once. One request asks at a
time; the others wait for its answer.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from accounts.single_sign_on.conversation import Conversation, slot_for_itself
from accounts.single_sign_on.problems import Unavailable

KEPT_SECONDS, FAILED_SECONDS = 300.0, 5.0
# An unknown key makes us ask again, but not for each token that somebody makes up.
KEYS_LEAST_SECONDS = 10.0

_lock = threading.Lock()
_kept: dict[str, tuple[float, Any]] = {}  # by address: when the answer or the failure came, and which


class ProviderAddresses(NamedTuple):
    authorization: str
    token: str
    keys: str
    userinfo: str  # "" if it has none
    takes_secret_in_form: bool


def addresses(conversation: Conversation) -> ProviderAddresses:
    """Raises Unavailable and Busy."""
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
    found = _kept_answer(url, seconds)
    if found is None:
        with slot_for_itself():
            # Another request may just have asked.
            found = _kept_answer(url, seconds)
            if found is None:
                found = _ask(url, ask)
    if isinstance(found, Unavailable):
        raise Unavailable(found.reason)
    return found


def _kept_answer(url: str, seconds: float) -> Any:
    """The answer or the failure that is kept; None if the provider has to be asked."""
    with _lock:
        came_at, found = _kept.get(url, (0.0, None))
    if isinstance(found, Unavailable):
        seconds = FAILED_SECONDS
    return found if time.monotonic() - came_at < seconds else None


def _ask(url: str, ask: Callable[[], Any]) -> Any:
    try:
        found = ask()
    except Unavailable as error:
        found = error
    with _lock:
        _kept[url] = (time.monotonic(), found)
    return found


def _read(found: dict[str, Any]) -> ProviderAddresses:
    if found.get("issuer") != settings.OIDC_ISSUER:
        raise Unavailable("issuer_of_discovery")
    # Without the list, only HTTP Basic is known (OpenID Connect Discovery 1.0, 3).
    methods = found.get("token_endpoint_auth_methods_supported")
    return ProviderAddresses(
        authorization=_usable(found.get("authorization_endpoint")),
        token=_usable(found.get("token_endpoint")),
        keys=_usable(found.get("jwks_uri")),
        userinfo=_usable(found["userinfo_endpoint"]) if "userinfo_endpoint" in found else "",
        takes_secret_in_form=isinstance(methods, list) and bool(methods) and "client_secret_basic" not in methods,
    )


def _usable(url: Any) -> str:
    """The address, which has the issuer's scheme: https, except in development."""
    try:
        parts, schemes = urlsplit(url), {"https", urlsplit(settings.OIDC_ISSUER).scheme}
        is_address = parts.hostname and parts.port != 0 and parts.scheme in schemes
        # A query of ours would come after a fragment.
        if is_address and url.isascii() and url.isprintable() and not set(url) & set(" #"):
            return str(url)
    except (AttributeError, TypeError, ValueError):
        pass
    raise Unavailable("addresses_of_discovery")


def _keys(found: dict[str, Any]) -> list[dict[str, Any]]:
    listed = found.get("keys")
    return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
