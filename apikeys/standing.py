"""The one judge: what a key is at an instant, and which refusal follows. It touches no database, request or clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from apikeys import refusals
from common.answers.refusals import UNAVAILABLE, Refusal


class KeyState(StrEnum):
    """What is stored of a key. Its standing follows from that and from other facts."""

    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class PauseReason(StrEnum):
    """Why a key was paused, where a person did not simply press Pause."""

    REPORTED = "reported"


class Facts(NamedTuple):
    """What a key's standing follows from. Instants are in seconds since 1970, or None."""

    state: str
    pause_reason: str
    creator_is_active: bool


# In place of a fact's value: the fact is an instant, and it has come.
PASSED = object()


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Standing:
    """One of the things that a key can be, for people and for programs."""

    code: str
    where: Mapping[str, object]  # the facts that make it, each with its value or PASSED
    label: str
    badge: str  # the badge's class in latchkey.css
    icon: str  # the name of a heroicon
    sentence: str  # what it means
    advice: str = ""  # what a member can do about it
    short: str = ""  # the label where there is little room, if the label is long
    refusal: Refusal | None = None  # the answer to a call with the key; None lets it in

    @property
    def lets_in(self) -> bool:
        return self.refusal is None

    @property
    def outcome(self) -> str:
        """How a call with the key is counted; "" if it is not."""
        return self.refusal.outcome if self.refusal else refusals.LET_IN


# A row that this release cannot read: nobody is let in, and nobody is told a reason that may be wrong.
UNKNOWN = Standing(
    code="unknown",
    where={},
    label="Unknown",
    badge="deleted",
    icon="question-mark-circle",
    sentence="Every request using it is rejected: this release does not know the key's state.",
    refusal=UNAVAILABLE,
)
ACTIVE = Standing(
    code="active",
    where={"state": KeyState.ACTIVE.value},
    label="Active",
    badge="active",
    icon="check-circle",
    sentence="Requests using it are allowed.",
)
PAUSED = Standing(
    code="paused",
    where={"state": KeyState.PAUSED.value},
    label="Paused",
    badge="paused",
    icon="pause-circle",
    sentence="Every request using it is rejected.",
    refusal=refusals.KEY_PAUSED,
)
REPORTED = Standing(
    code="reported",
    where={"state": KeyState.PAUSED.value, "pause_reason": PauseReason.REPORTED.value},
    label="Reported as leaked",
    short="Leaked",
    badge="reported",
    icon="shield-exclamation",
    sentence="This key was reported as leaked.",
    advice="Create a new key, switch your programs to it, then delete this one. Re-enable it only if you are sure that "
    "nobody else has the secret.",
    # A program hears no more than that the key is paused: it may be the thief's.
    refusal=refusals.KEY_PAUSED,
)
CREATOR_DEACTIVATED = Standing(
    code="creator_deactivated",
    where={"state": KeyState.ACTIVE.value, "creator_is_active": False},
    label="Creator deactivated",
    short="Rejected",
    badge="reported",
    icon="no-symbol",
    sentence="Rejected: the account that created it is deactivated.",
    advice="Create a new key.",
    refusal=refusals.FORBIDDEN,
)
DELETED = Standing(
    code="deleted",
    where={"state": KeyState.DELETED.value},
    label="Deleted",
    badge="deleted",
    icon="x-circle",
    sentence="Every request using it is rejected for good.",
    refusal=refusals.KEY_DELETED,
)

# As people expect them sorted. Where several hold, the last of them is the key's standing.
STANDINGS = (UNKNOWN, ACTIVE, PAUSED, REPORTED, CREATOR_DEACTIVATED, DELETED)

# A standing with its conditions: the place of each fact in Facts, and its value or PASSED.
Rule = tuple[Standing, list[tuple[int, object]]]


def rule_of(standing: Standing, facts: Sequence[str] = Facts._fields) -> Rule:
    return standing, [(facts.index(fact), value) for fact, value in standing.where.items()]


# Put together once, because the check judges thousands of keys a second.
_RULES = [rule_of(standing) for standing in STANDINGS[:0:-1]]


def standing_of(facts: Facts, now: float, rules: Sequence[Rule] = _RULES) -> Standing:
    """The standing of a key with these facts at `now`, in seconds since 1970. The first rule that holds decides."""
    for standing, conditions in rules:
        for place, value in conditions:
            found: Any = facts[place]
            if found != value and not (value is PASSED and found is not None and found <= now):
                break
        else:
            return standing
    return UNKNOWN


def standings_of(facts: Facts, now: float) -> tuple[Standing, ...]:
    """The key's standing, and what would refuse a paused key once it is re-enabled."""
    standing = standing_of(facts, now)
    if facts.state != KeyState.PAUSED:
        return (standing,)
    later = standing_of(facts._replace(state=KeyState.ACTIVE.value, pause_reason=""), now)
    return (standing,) if later.lets_in else (standing, later)
