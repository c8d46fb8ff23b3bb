"""Removing a member, and what then happens to each key that depends on them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys.hand_over.dependents import Dependent
from apikeys.keys.key_errors import KeyGone, ShownOnce
from apikeys.keys.pausing import pause_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from common import outages
from common.key_ring import VaultUnavailable
from projects.members.memberships import MemberGone, manage_member
from projects.models import Project


class Choice(StrEnum):
    """What happens to a key; the value is the word in forms."""

    ROLL = "roll"
    PAUSE = "pause"
    LEAVE = "leave"


class Who(NamedTuple):
    """The person who removes the member, and where they are."""

    by: User
    address: str | None


class Outcome(NamedTuple):
    """What happened to a key. `problem` says why its choice was not carried out; the key is then as it was."""

    key: ApiKey
    choice: Choice
    problem: str = ""


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


def remove_member(
    *, project: Project, user: User, choices: Mapping[ApiKey, Choice], who: Who, form_token: str = ""
) -> Removed:
    """Removes the person from the project, then carries out the choice for each key, each completely or not at all.

    The person comes first, because they must not copy the new secrets. If they are no member any more, the choices are
    carried out all the same. New keys are those of a form that is submitted twice. Raises ValidationError if the
    project would lose its last owner, NoLongerAllowed and ProjectGone.
    """
    try:
        was_member = manage_member(project=project, user=user, role=None, by=who.by, address=who.address)
    except MemberGone:
        was_member = False
    return Removed(was_member, [_carry_out(key, choice, who, form_token) for key, choice in choices.items()])


def _carry_out(key: ApiKey, choice: Choice, who: Who, form_token: str) -> Outcome:
    name = key.name  # a roll that is undone has changed it in memory
    try:
        if choice == Choice.ROLL:
            _roll(key, who, form_token)
        elif choice == Choice.PAUSE and not pause_key(key=key, by=who.by, address=who.address) and not key.is_paused:
            return Outcome(key, choice, f"{name} has expired in the meantime. It was not paused.")
    except ValidationError as error:
        return Outcome(key, choice, " ".join(error.messages))
    except KeyGone:
        return Outcome(key, choice, f"{name} was deleted in the meantime.")
    except VaultUnavailable as error:
        outages.explain(error)
        return Outcome(key, choice, f"{name} was not rolled: no key can be created at the moment.")
    except ShownOnce:
        return Outcome(key, choice, f"{name} was not rolled: this project shows a secret once. Roll it on its page.")
    return Outcome(key, choice)


@sensitive_variables()
@transaction.atomic
def _roll(key: ApiKey, who: Who, form_token: str) -> None:
    """Undoes a roll whose new secret nobody could read."""
    token = f"{form_token[:40]}-{key.public_id}" if form_token else None
    new = roll_key(key=key, overlap=Overlap.DAY, by=who.by, address=who.address, form_token=token)
    if not new.key.can_be_shown:
        raise ShownOnce(key)
