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
    ENDED = "ended"
    DELETED = "deleted"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class PauseReason(StrEnum):
    """Why a key was paused, where a person did not simply press Pause."""

    REPORTED = "reported"


class EndReason(StrEnum):
    """Who chose the end of a key."""

    CHOSEN = "chosen"
    ROLLED = "rolled"


class Facts(NamedTuple):
    """What a key's standing follows from. Instants are in seconds since 1970, or None."""

    state: str
    pause_reason: str
    responsible_is_active: bool
    resumes_at: float | None = None
    expires_at: float | None = None


# In place of a fact's value: the fact is an instant and has come, or it is no instant or lies ahead.
PASSED = object()
AHEAD = object()


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Standing:
    """One of the things that a key can be, for people and for programs."""

    code: str
    where: Sequence[Mapping[str, object]]  # each of these makes it: facts with their values, PASSED or AHEAD
    label: str
    badge: str  # the badge's class in main.css
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


# A pause ends by itself at its instant, whether or not somebody has written that down.
_WORKS: Sequence[Mapping[str, object]] = (
    {"state": KeyState.ACTIVE.value},
    {"state": KeyState.PAUSED.value, "resumes_at": PASSED},
)
# Somebody ended the key, or its end has come.
_ENDED: Sequence[Mapping[str, object]] = (
    {"state": KeyState.ENDED.value},
    *({**works, "expires_at": PASSED} for works in _WORKS),
)

# A row that this release cannot read: nobody is let in, and nobody is told a reason that may be wrong.
UNKNOWN = Standing(
    code="unknown",
    where=(),
    label="Unknown",
    badge="deleted",
    icon="question-mark-circle",
    sentence="Every request using it is rejected: this release does not know the key's state.",
    refusal=UNAVAILABLE,
)
ACTIVE = Standing(
    code="active",
    where=_WORKS,
    label="Active",
    badge="active",
    icon="check-circle",
    sentence="Requests using it are allowed.",
)
EXPIRED = Standing(
    code="expired",
    where=_ENDED,
    label="Expired",
    badge="expired",
    icon="clock",
    sentence="Every request using it is rejected.",
    refusal=refusals.KEY_EXPIRED,
)
PAUSED = Standing(
    code="paused",
    where=({"state": KeyState.PAUSED.value, "resumes_at": AHEAD},),
    label="Paused",
    badge="paused",
    icon="pause-circle",
    sentence="Every request using it is rejected.",
    refusal=refusals.KEY_PAUSED,
)
REPORTED = Standing(
    code="reported",
    where=({"state": KeyState.PAUSED.value, "resumes_at": AHEAD, "pause_reason": PauseReason.REPORTED.value},),
    label="Reported as leaked",
    short="Leaked",
    badge="reported",
    icon="shield-exclamation",
    sentence="This key was reported as leaked.",
    advice="Roll it, switch your programs to the new key, then delete this one. Re-enable it only if you are sure that "
    "nobody else has the secret.",
    # A program hears no more than that the key is paused: it may be the thief's.
    refusal=refusals.KEY_PAUSED,
)
CREATOR_DEACTIVATED = Standing(
    code="creator_deactivated",
    where=[{**facts, "responsible_is_active": False} for facts in (*_WORKS, *_ENDED[:1])],
    label="Account deactivated",
    short="Rejected",
    badge="reported",
    icon="no-symbol",
    sentence="Rejected: the account of the person responsible for it is deactivated.",
    advice="Take this key over, or roll it.",
    refusal=refusals.FORBIDDEN,
)
DELETED = Standing(
    code="deleted",
    where=({"state": KeyState.DELETED.value},),
    label="Deleted",
    badge="deleted",
    icon="x-circle",
    sentence="Every request using it is rejected for good.",
    refusal=refusals.KEY_DELETED,
)

# As people expect them sorted. Where several hold, the last of them is the key's standing.
STANDINGS = (UNKNOWN, ACTIVE, EXPIRED, PAUSED, REPORTED, CREATOR_DEACTIVATED, DELETED)

# A standing with one set of conditions: the place of each fact in Facts, and its value, PASSED or AHEAD.
Rule = tuple[Standing, list[tuple[int, object]]]


def rules_of(standing: Standing, facts: Sequence[str] = Facts._fields) -> list[Rule]:
    return [(standing, [(facts.index(fact), value) for fact, value in each.items()]) for each in standing.where]


def by_state(rules: Sequence[Rule]) -> Mapping[str, Sequence[Rule]]:
    """The rules that can hold for each stored state."""
    state = Facts._fields.index("state")
    return {
        each.value: [rule for rule in rules if dict(rule[1]).get(state, each.value) == each.value] for each in KeyState
    }


# Put together once, because the check judges thousands of keys a second.
_RULES = [rule for standing in STANDINGS[:0:-1] for rule in rules_of(standing)]
_BY_STATE = by_state(_RULES)


def standing_of(facts: Facts, now: float, rules: Mapping[str, Sequence[Rule]] = _BY_STATE) -> Standing:
    """The standing of a key with these facts at `now`, in seconds since 1970. The first rule that holds decides."""
    for standing, conditions in rules.get(facts.state, ()):
        for place, value in conditions:
            found: Any = facts[place]
            if value is PASSED or value is AHEAD:
                if (found is not None and found <= now) is (value is AHEAD):
                    break
            elif found != value:
                break
        else:
            return standing
    return UNKNOWN


def standings_of(facts: Facts, now: float) -> tuple[Standing, ...]:
    """The key's standing, and what would refuse a paused key once it is re-enabled."""
    standing = standing_of(facts, now)
    if standing not in (PAUSED, REPORTED):
        return (standing,)
    later = standing_of(facts._replace(state=KeyState.ACTIVE.value, pause_reason="", resumes_at=None), now)
    return (standing,) if later.lets_in else (standing, later)
