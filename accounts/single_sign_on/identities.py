"""Who the provider says that somebody is, once everything that it says was checked."""

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest

from accounts import rate_limits
from accounts.allauth_internals import consume
from accounts.single_sign_on import discovery, id_tokens
from accounts.single_sign_on.allauth_provider import Visit, token_request
from accounts.single_sign_on.conversation import Conversation, slot_for_code
from accounts.single_sign_on.problems import (
    Problem,
    Refused,
    TooManyFailures,
    Unavailable,
    cancelled,
    not_signed_in_there,
)
from common.client_address import client_address, network_of, site_of

# Exchanges of codes that failed, counted for each network of clients and for each site. Strangers can make up codes
# without end, and each one holds a slot until the provider has answered.
_FAILED, _FAILED_AT_SITE = "single_sign_on_failed", "single_sign_on_failed_site"


class Identity(NamedTuple):
    """A person is identified by issuer and subject. The address is what the provider says, in its own spelling."""

    issuer: str
    subject: str
    address: str
    is_address_verified: bool
    authenticated_at: float  # 0 if the provider does not say


@contextmanager
def turn(request: HttpRequest) -> Iterator[None]:
    """The right to have a code exchanged. Raises Busy and TooManyFailures, before anything was used up."""
    _check_failures(request)
    with slot_for_code():
        _check_failures(request)  # others of the network may have failed meanwhile
        yield


def _check_failures(request: HttpRequest) -> None:
    if seconds := max(rate_limits.seconds_to_wait(request, action, key) for action, key in _counters(request).items()):
        raise TooManyFailures(seconds)


def _counters(request: HttpRequest) -> dict[str, str]:
    """The limits that a failure counts for, and for whom."""
    address = client_address(request)
    return {_FAILED: network_of(address) or "none", _FAILED_AT_SITE: site_of(address) or "none"}


def identity_of(request: HttpRequest, visit: Visit) -> Identity:
    """Exchanges the code of the answer. Called in a `turn`. Raises Problem."""
    code = _code(request)
    try:
        return _exchanged(code, visit)
    except (Refused, Unavailable):
        for action, key in _counters(request).items():
            consume(request, action, key=key, on_get=True)
        raise


def _exchanged(code: str, visit: Visit) -> Identity:
    said = Conversation()
    found = discovery.addresses(said)
    token, access_token = _tokens(said, found, code, visit.verifier)
    claims = id_tokens.claims_of(
        token,
        keys=lambda again: discovery.keys(said, found.keys, again=again),
        issuer=settings.OIDC_ISSUER,
        client_id=settings.OIDC_CLIENT_ID,
        nonce=visit.nonce,
    )
    about = claims if "email" in claims or not found.userinfo else _userinfo(said, found, access_token, claims)
    return Identity(
        issuer=settings.OIDC_ISSUER,
        subject=id_tokens.id_of(claims["sub"]),
        address=_address(about.get("email")),
        is_address_verified=about.get("email_verified") is True,  # a boolean (OpenID Connect Core 1.0, 5.1)
        authenticated_at=id_tokens.authenticated_at(claims),
    )


def _address(email: Any) -> str:
    """Without NUL and lone surrogates, which no database stores."""
    return email if isinstance(email, str) and email.isprintable() else ""


def _code(request: HttpRequest) -> str:
    if error := request.GET.get("error"):
        raise _problem_of(error)
    # A provider that says who it is has to be ours (RFC 9207).
    if not hmac.compare_digest(request.GET.get("iss", settings.OIDC_ISSUER).encode(), settings.OIDC_ISSUER.encode()):
        raise Refused("issuer_of_answer")
    code = request.GET.get("code", "")
    if not code:
        raise Refused("no_code")
    return code


def _problem_of(error: str) -> Problem:
    """For an error instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6)."""
    if error == "access_denied":
        return cancelled()
    if error in {"server_error", "temporarily_unavailable"}:
        return Unavailable(f"error_{error}")
    return not_signed_in_there(f"error_{_known(error)}")


def _known(error: Any) -> str:
    """A code of an error (RFC 6749, 5.2). Other text does not get into the log."""
    return error if isinstance(error, str) and re.fullmatch("[a-z_]{1,40}", error) else "other"


def _tokens(said: Conversation, found: discovery.ProviderAddresses, code: str, verifier: str) -> tuple[Any, str]:
    form, headers = token_request(code, verifier, found)
    status, answer = said.post(found.token, form, **headers)
    if status >= 500:
        raise Unavailable(f"token_status_{status}")
    if status != 200:
        raise Refused(f"token_{_known(answer.get('error'))}")
    return answer.get("id_token"), str(answer.get("access_token", ""))


def _userinfo(
    said: Conversation, found: discovery.ProviderAddresses, access_token: str, claims: dict[str, Any]
) -> dict[str, Any]:
    """Claims that the token lacks. They have to be about the same person (OpenID Connect Core 1.0, 5.3.2)."""
    if not access_token.isascii() or not access_token.isprintable():
        raise Refused("access_token")
    about = said.get(found.userinfo, Authorization=f"Bearer {access_token}")
    if about.get("sub") != claims["sub"]:
        raise Refused("subject_of_userinfo")
    return about
