"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects: a pause or a deletion holds for every check that starts after its answer, also where
VERDICT_LEASE spares the query (docs/decisions/0001-the-lease.md). Only a limit of the key or of its project makes a
check write, and then only once for a block of requests (apikeys/limits/blocks.py).
"""

import functools
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import Error
from django.views.decorators.debug import sensitive_variables

from apikeys.bounds import asked as of_request
from apikeys.bounds.asked import Asked
from apikeys.bounds.restrictions import NO_LIMITS, UNRESTRICTED, Restrictions, Unreadable, read_text
from apikeys.bounds.scopes import vocabulary
from apikeys.leases import kept_rows, registration
from apikeys.limits import at_the_check
from apikeys.limits.at_the_check import Headers, Named
from apikeys.refusals import (
    INSUFFICIENT_SCOPE,
    KEY_DELETED,
    KEY_EXPIRED,
    KEY_MALFORMED,
    KEY_MISSING,
    KEY_UNKNOWN,
    LET_IN,
    TOO_MANY_FAILURES,
)
from apikeys.secrets import secret_format, vault
from apikeys.standing import UNKNOWN, standing_of
from apikeys.usage import counting
from apikeys.verify import failed_keys, malformed
from apikeys.verify.key_lookup import Found, Identity, look_up
from common import database_deadline, outages
from common.answers.refusals import INVALID, UNAVAILABLE, Refusal
from common.instants import in_words
from common.known_settings import known

# RFC 6750, 2.1: the scheme, in any case (RFC 9110, 11.1), a space and the token. Our tokens are alphanumeric.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([0-9A-Za-z_]{1,64})")


class Verdict(NamedTuple):
    """`identity` if the request may pass. Otherwise `refusal` tells why not; with an identity it means nothing.

    `message` is for the rejected caller; "" stands for the refusal's own message. `headers` go with the answer, also
    with that of an allowed request. `key_id` is the rejected key, if the request has one, and `cause` is why the check
    could not decide; both are for the log alone.
    """

    identity: Identity | None
    refusal: Refusal = UNAVAILABLE
    message: str = ""
    headers: Headers = ()
    key_id: str | None = None
    cause: str | None = None

    @property
    def code(self) -> str | None:
        return None if self.identity else self.refusal.code


# A request of which nothing is known. Read-only keys are rejected then.
_NOTHING = Asked()


@sensitive_variables()
def verify(authorization: str | None, address: str | None = None, asked: Asked = _NOTHING) -> Verdict:
    """Decides by the value of an Authorization header, None for a request without one, and by what is asked.

    The request is counted with its outcome, and `address` is stored as the key's last one. It costs one query, and none
    for a value that cannot be a secret; a limit can cost more of them. If the database cannot be asked, the answer is
    the refusal `unavailable` and never an exception.
    """
    if authorization is None:
        return _unmatched(KEY_MISSING)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None or not secret_format.is_well_formed(bearer[1], known.KEY_PREFIX):
        return _failed(KEY_MALFORMED, address, malformed.fault_of(authorization, known.KEY_PREFIX))
    digests = vault.digests(bearer[1])
    if not digests:
        return _undecided("KEY_PEPPERS is empty.")
    kept = kept_rows.find(digests[0])
    if kept is not None and (verdict := _judge(kept, address, asked)).identity:
        return _counted(verdict, kept, address)
    # What a kept row rejects is looked up: it may have been allowed in the meantime.
    asked_at = registration.asked_at()
    try:
        with database_deadline.Begun():
            found = look_up(digests)
    except Error as error:
        return _undecided(error)
    if found is None:
        return _failed(KEY_UNKNOWN, address)
    if found.project_is_deleted:
        return _unmatched(KEY_DELETED)._replace(key_id=found.identity.key_id)  # its use was deleted with it
    verdict = _judge(found, address, asked)
    if verdict.identity and asked_at is not None:
        kept_rows.keep(digests[0], found, asked_at)
    return _counted(verdict, found, address)


def _undecided(cause: object, key_id: str | None = None) -> Verdict:
    """Nobody is allowed whom the check cannot judge. The log gets the cause at most once a second."""
    outages.log("verify_unavailable", cause, **({"key_id": key_id} if key_id else {}))
    return Verdict(None, UNAVAILABLE, cause=outages.words(cause))


def _failed(refusal: Refusal, address: str | None, message: str = "") -> Verdict:
    """Only a request that is rejected anyway can be over the limit: a good key is always allowed."""
    is_too_many = failed_keys.record_failure(address)
    return _unmatched(TOO_MANY_FAILURES) if is_too_many else _unmatched(refusal, message)


def _unmatched(refusal: Refusal, message: str = "") -> Verdict:
    counting.record_unmatched(time.time())
    return Verdict(None, refusal, message)


def _counted(verdict: Verdict, found: Found, address: str | None) -> Verdict:
    if outcome := LET_IN if verdict.identity else verdict.refusal.outcome:
        counting.record(found.identity.key_pk, outcome, time.time(), address)
    return verdict if verdict.identity else verdict._replace(key_id=found.identity.key_id)


def _judge(found: Found, address: str | None, asked: Asked) -> Verdict:
    identity, facts = found.identity, found.facts
    standing = standing_of(facts, time.time())
    if standing is UNKNOWN:
        return _undecided(f"This release knows no state {facts.state!r}.", identity.key_id)
    if standing.refusal is not None:
        return Verdict(None, standing.refusal, message_of(standing.refusal, facts.expires_at))
    if asked.scopes:
        _log_undefined(asked.scopes)
    if found.restrictions or found.project_limits:
        return _within_bounds(found, address, asked)
    return Verdict(identity)


def _log_undefined(scopes: Sequence[str]) -> None:
    """Such a scope lets keys with full access pass and no others, which nobody may want."""
    if undefined := [scope for scope in scopes if scope not in vocabulary()]:
        outages.log("scope_undefined", f"SCOPES does not define {undefined[0]}, which a gateway or an API asks for.")


class _Bounds(NamedTuple):
    """What restricts a key, as the check needs it. `most` is what a request may cost at most, if there are limits."""

    restrictions: Restrictions
    scopes: str
    limits: tuple[Named, ...]
    most: int | None


@functools.lru_cache(maxsize=4096)
def _bounds_of(key_pk: int, restrictions: str | None, project_pk: int, project_limits: str | None) -> _Bounds:
    """Kept, because the check reads the same texts again and again. Raises Unreadable."""
    of_key = read_text(restrictions) if restrictions else UNRESTRICTED
    shared = read_text(project_limits).limits if project_limits else NO_LIMITS
    limits = at_the_check.limits_of(key_pk, of_key.limits, project_pk, shared)
    return _Bounds(of_key, of_request.granted(of_key), limits, at_the_check.smallest(limits))


def _within_bounds(found: Found, address: str | None, asked: Asked) -> Verdict:
    """The verdict on a key that works but is restricted, or whose project is."""
    identity = found.identity
    try:
        bounds = _bounds_of(identity.key_pk, found.restrictions, identity.project_pk, found.project_limits)
    except Unreadable:
        return _undecided("This release does not know the key's restrictions.", identity.key_id)
    if refused := of_request.refusal_of(bounds.restrictions, asked, address, vocabulary()):
        return Verdict(None, *refused, _challenge(refused[0], asked))
    if bounds.scopes != identity.scopes:
        identity = identity._replace(scopes=bounds.scopes)
    return _within_limits(identity, bounds, asked.cost) if bounds.limits else Verdict(identity)


def _within_limits(identity: Identity, bounds: _Bounds, cost: int) -> Verdict:
    if bounds.most is not None and cost > bounds.most:
        message = f"A request that costs {cost:,} is never allowed: the limit is {bounds.most:,}."
        return Verdict(None, INVALID, message)
    try:
        outcome = at_the_check.take(bounds.limits, cost)
    except Error as error:
        return _undecided(error, identity.key_id)
    if outcome.refusal:
        return Verdict(None, outcome.refusal, outcome.message, outcome.headers)
    return Verdict(identity, headers=outcome.headers)


def _challenge(refusal: Refusal, asked: Asked) -> Headers:
    """RFC 6750, 3.1: the scopes that the call needs."""
    if refusal is not INSUFFICIENT_SCOPE:
        return ()
    scopes = " ".join(asked.scopes)
    return (("WWW-Authenticate", f'Bearer realm="api", error="{refusal.bearer_error}", scope="{scopes}"'),)


def message_of(refusal: Refusal, expires_at: float | None) -> str:
    """The message with the instant of the key's end; "" if the refusal's own message says all."""
    if refusal is not KEY_EXPIRED or expires_at is None:
        return ""
    at = datetime.fromtimestamp(expires_at, UTC)
    return KEY_EXPIRED.message.replace("has expired", f"expired on {in_words(at)}")
