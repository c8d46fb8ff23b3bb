"""The one table of refusals: those of keys and of reports stand here, and ALL is every refusal of the API.

API, gateway, integrations, help page, API reference and docs/api.md are made or tested from it.
"""

from operator import attrgetter

from common.answers.refusals import GENERAL, INTERNAL_ERROR, UNAVAILABLE, Refusal
from projects.refusals import OF_FILES

# Who can let a key in again, as projects/permissions.py says. This table imports no models.
WHO_MANAGES_KEYS = "an owner or a developer"

KEY_MISSING = Refusal(
    code="key_missing",
    status=401,
    message="Send your API key as 'Authorization: Bearer <key>'.",
    when="there is no Authorization header",
    help="send the key; check that a proxy passes the header on",
)
KEY_MALFORMED = Refusal(
    code="key_malformed",
    status=401,
    message="The Authorization header is not 'Bearer <key>' with a complete key. "
    "Copy the key again, and check that the variable that holds it is set.",
    when="it is not `Bearer` and one complete key; `message` names the fault",
    help="do as the message says",
    bearer_error="invalid_token",
)
KEY_UNKNOWN = Refusal(
    code="key_unknown",
    status=401,
    message="No such API key. Check that it is a key of this server, or create a new one.",
    when="it is no key of this server",
    help="check the server's address, or create a key",
    bearer_error="invalid_token",
)
KEY_PAUSED = Refusal(
    code="key_paused",
    status=401,
    message=f"This API key is paused. {WHO_MANAGES_KEYS.capitalize()} of the project can re-enable it in its settings.",
    when="the key is paused",
    help=f"ask {WHO_MANAGES_KEYS} of the project to re-enable it",
    outcome="paused",
    reason="paused",
    bearer_error="invalid_token",
)
KEY_EXPIRED = Refusal(
    code="key_expired",
    status=401,
    message=f"This API key has expired. {WHO_MANAGES_KEYS.capitalize()} of the project can change its expiry, "
    "or create a new one.",
    when="the key has expired; `message` names the instant",
    help=f"use another key, or ask {WHO_MANAGES_KEYS} of the project to change its expiry",
    outcome="expired",
    reason="expired",
    bearer_error="invalid_token",
)
KEY_DELETED = Refusal(
    code="key_deleted",
    status=401,
    message="This API key was deleted for good. Use another key of the project, or create a new one.",
    when="the key, or its project, was deleted for good",
    help="use another key",
    outcome="deleted",
    reason="deleted",
    bearer_error="invalid_token",
)
FORBIDDEN = Refusal(
    code="forbidden",
    status=403,
    message="This API key may not do this: the account of the person responsible for it is "
    "deactivated. Take the key over, or create a new one.",
    when="the key is good, but the account of the person responsible for it is deactivated",
    help="use a key of an active account",
    outcome="forbidden",
    reason="account deactivated",
)
ADDRESS_REFUSED = Refusal(
    code="address_refused",
    status=403,
    message="This API key may not be used from this address. "
    f"{WHO_MANAGES_KEYS.capitalize()} of the project can allow it in its settings.",
    when="the key is restricted to addresses, and this is none of them; `message` names it",
    help=f"ask {WHO_MANAGES_KEYS} of the project to allow the address",
    outcome="address",
    reason="address not allowed",
)
READ_ONLY = Refusal(
    code="read_only",
    status=403,
    message="This API key is read only. It may make GET, HEAD and OPTIONS requests. Use another key to change things.",
    when="the key is read only, and the method is not GET, HEAD or OPTIONS",
    help="use a key with full access",
    outcome="access",
    reason="access not allowed",
)
METHOD_UNKNOWN = Refusal(
    code="method_unknown",
    status=403,
    message="This API key is read only, and the gateway does not say which method the request has. "
    "The operator of this API has to pass it on as X-Forwarded-Method or X-Original-Method.",
    when="the key is read only, and the gateway names no method, or two different ones",
    help="the operator's gateway has to pass the method on",
    outcome="access",
    reason="access not allowed",
)
INSUFFICIENT_SCOPE = Refusal(
    code="insufficient_scope",
    status=403,
    message="This API key does not have a scope that this call needs. "
    f"{WHO_MANAGES_KEYS.capitalize()} of the project can add it in its settings.",
    when="the key has chosen scopes, and lacks one that the call needs; `message` names it",
    help=f"use another key, or ask {WHO_MANAGES_KEYS} of the project to add the scope",
    outcome="access",
    reason="access not allowed",
    bearer_error="insufficient_scope",
)
RATE_LIMITED = Refusal(
    code="rate_limited",
    status=429,
    message="This API key, or its project, has made as many requests as its rate limit allows. "
    "Wait as Retry-After says.",
    when="the rate limit of the key or of its project is used up until the next second, minute or hour",
    help="wait as `Retry-After` says; `RateLimit` tells what is left before it is used up",
    outcome="rate",
    reason="rate limit",
)
QUOTA_REACHED = Refusal(
    code="quota_reached",
    status=429,
    message="This API key, or its project, has used up its quota. It works again when the next day or month begins.",
    when="the quota of the key or of its project is used up until the next day or month (UTC); `message` names it",
    help=f"wait as `Retry-After` says, or ask {WHO_MANAGES_KEYS} of the project to raise the quota",
    outcome="quota",
    reason="quota",
)
TOO_MANY_FAILURES = Refusal(
    code="too_many_failures",
    status=429,
    message="Too many requests from this address had a wrong key. Wait a minute, and check the key.",
    when="the key is malformed or unknown, and so were more than `FAILED_KEYS_PER_MINUTE` (60) others from this "
    "address in this minute",
    help="wait as `Retry-After` says, and check the key",
)

SIGNATURE_REFUSED = Refusal(
    code="signature_refused",
    status=403,
    message="The body is not signed by a key of GitHub's that this server knows.",
    when="a report from GitHub that is not signed by a key of GitHub's that the server knows",
    help="compare `GITHUB_PUBLIC_KEYS` with GitHub's list",
)
TOO_MANY_REPORTS = Refusal(
    code="too_many_reports",
    status=429,
    message="Too many reports came from this address. Wait a minute, then send it again.",
    when="more than `REPORTS_PER_MINUTE` (60) reports came from this address in this minute",
    help="wait as `Retry-After` says",
)

OF_RESTRICTIONS = (ADDRESS_REFUSED, READ_ONLY, METHOD_UNKNOWN, INSUFFICIENT_SCOPE, RATE_LIMITED, QUOTA_REACHED)
OF_A_KEY = (
    *(KEY_MISSING, KEY_MALFORMED, KEY_UNKNOWN, KEY_PAUSED, KEY_EXPIRED, KEY_DELETED, FORBIDDEN),
    *OF_RESTRICTIONS,
    TOO_MANY_FAILURES,
)
OF_REPORTS = (SIGNATURE_REFUSED, TOO_MANY_REPORTS)
# What every call can answer.
OF_EVERY_CALL = (INTERNAL_ERROR, UNAVAILABLE)
ALL = tuple(sorted((*OF_A_KEY, *OF_REPORTS, *OF_FILES, *GENERAL), key=attrgetter("status")))

# How a call with a key can end, as it is counted, and each in words.
LET_IN = "ok"
OUTCOMES = {LET_IN: "allowed", **{refusal.outcome: refusal.reason for refusal in OF_A_KEY if refusal.outcome}}
OUTCOMES_OF_RESTRICTIONS = {refusal.outcome for refusal in OF_RESTRICTIONS}
REFUSED_OUTCOMES = [outcome for outcome in OUTCOMES if outcome != LET_IN]
