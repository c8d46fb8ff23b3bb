"""The verdict on a request that nobody makes, by the functions of the check, for Try it. No request is counted."""

import time
from typing import NamedTuple

from apikeys.bounds import in_words
from apikeys.bounds.asked import Asked, granted, refusal_of
from apikeys.bounds.restrictions import Limits, Unreadable, read_limits
from apikeys.bounds.scopes import vocabulary
from apikeys.models import ApiKey
from apikeys.standing import standing_of
from apikeys.verify.verification import message_of
from common.answers.refusals import UNAVAILABLE, Refusal


class Tried(NamedTuple):
    """`refusal` is None if the request would be allowed, as far as the limits have something left."""

    refusal: Refusal | None
    message: str = ""
    scopes: str = ""  # what X-Latchkey-Scopes would say


def try_request(key: ApiKey, asked: Asked, address: str | None) -> Tried:
    """`key` has its `responsible`, because the account decides too. The order is that of the check, without limits."""
    facts = key.facts
    standing = standing_of(facts, time.time())
    if standing.refusal:
        return _rejected(standing.refusal, message_of(standing.refusal, facts.expires_at))
    try:
        bounds = key.bounds
    except Unreadable:
        return _rejected(UNAVAILABLE)
    if refused := refusal_of(bounds, asked, address, vocabulary()):
        return _rejected(*refused)
    return Tried(None, scopes=granted(bounds))


def _rejected(refusal: Refusal, message: str = "") -> Tried:
    return Tried(refusal, message or refusal.message)


def limits_in_words(key: ApiKey) -> list[tuple[str, str]]:
    """The limits of the key and of its project, each with whose it is. It is empty if there are none."""
    try:
        of_key, of_project = key.bounds.limits, read_limits(key.project.limits)
    except Unreadable:
        return []
    named = (("This key", of_key), ("All keys of the project together", of_project))
    return [(whose, in_words.limits(limits)) for whose, limits in named if limits != Limits()]
