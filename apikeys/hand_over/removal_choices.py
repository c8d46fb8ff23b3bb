"""What can happen to a key when a person is removed on whom it depends, and what did happen."""

from enum import StrEnum
from typing import NamedTuple

from apikeys.hand_over.dependents import Dependent
from apikeys.models import ApiKey


class Choice(StrEnum):
    """What happens to a key; the value is the word in forms."""

    ROLL = "roll"
    PAUSE = "pause"
    LEAVE = "leave"


class Outcome(NamedTuple):
    """What happened to a key. `problem` says why its choice was not carried out; the key is then as it was.

    `new` is the key that replaces it. `was_done_before` is true where a form that is submitted twice changed nothing.
    """

    key: ApiKey
    choice: Choice
    problem: str = ""
    new: ApiKey | None = None
    was_done_before: bool = False


class Removed(NamedTuple):
    was_member: bool
    outcomes: list[Outcome]

    def done(self, choice: Choice) -> list[ApiKey]:
        return [outcome.key for outcome in self.outcomes if outcome.choice == choice and not outcome.problem]

    @property
    def problems(self) -> list[str]:
        return [outcome.problem for outcome in self.outcomes if outcome.problem]


def choices_of(dependent: Dependent, *, leave: bool = False) -> list[Choice]:
    """What can be chosen for the key as it is now. The first choice is the default: Roll for a key whose secret the
    person knows, unless `leave` says otherwise.
    """
    key, choices = dependent.key, [Choice.LEAVE]
    if key.is_active:
        choices.insert(0, Choice.PAUSE)
    # Where secrets are shown once, only the page of the roll shows the new one.
    if not (key.is_expired or dependent.replacement or key.project.show_once):
        choices.insert(0, Choice.ROLL)
    default = Choice.ROLL if dependent.seen and Choice.ROLL in choices and not leave else Choice.LEAVE
    return [default, *(choice for choice in choices if choice != default)]
