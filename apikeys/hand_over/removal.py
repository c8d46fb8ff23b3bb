"""Removing a member, and what then happens to each key that depends on them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys.hand_over.removal_choices import Choice, Outcome, Removed
from apikeys.hand_over.removal_emails import tell_of_removal
from apikeys.keys.key_errors import KeyGone, ShownOnce
from apikeys.keys.pausing import pause_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from common import outages
from common.key_ring import VaultUnavailable
from projects.audit_log.owner_emails import circumstances
from projects.locks import lock_for
from projects.members.memberships import MemberGone, manage_member
from projects.models import Project
from projects.permissions import Permission


class Who(NamedTuple):
    """The person who removes the member, and where they are."""

    by: User
    address: str | None


def remove_member(
    *, project: Project, user: User, choices: Mapping[ApiKey, Choice], who: Who, form_token: str = ""
) -> Removed:
    """Removes the person from the project and carries out the choice for each key, each completely or not at all.

    All of it is one transaction, so that the person copies no new secret, and so that one email says what was done.
    If the person is no member any more, the choices are carried out all the same. New keys are those of a form that is
    submitted twice. Raises ValidationError if the project would lose its last owner, NoLongerAllowed and ProjectGone.
    """
    with transaction.atomic():
        project = lock_for(project, by=who.by, can=Permission.MANAGE_MEMBERS)
        _lock_keys(project, choices)
        removal = None
        with suppress(MemberGone):
            removal = manage_member(project=project, user=user, role=None, **who._asdict(), is_told=False)
        outcomes = [_carry_out(key, choice, who, form_token) for key, choice in choices.items()]
        tell_of_removal(removal, project, user, outcomes, circumstances(*who))
    return Removed(removal is not None, outcomes)


def _lock_keys(project: Project, choices: Mapping[ApiKey, Choice]) -> None:
    """In the order of their ids, as everywhere, with the keys whose offers end."""
    keys = project.api_keys.filter(Q(pk__in=[key.pk for key in choices]) | Q(offer__isnull=False))
    list(keys.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def _carry_out(key: ApiKey, choice: Choice, who: Who, form_token: str) -> Outcome:
    name = key.name  # a roll that is undone has changed it in memory
    try:
        if choice == Choice.ROLL:
            return _roll(key, who, form_token)
        if choice == Choice.PAUSE:
            return _pause(key, who)
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


def _pause(key: ApiKey, who: Who) -> Outcome:
    changed = pause_key(key=key, **who._asdict())
    if not changed and not key.is_paused:
        return Outcome(key, Choice.PAUSE, f"{key.name} has expired in the meantime. It was not paused.")
    return Outcome(key, Choice.PAUSE, was_done_before=not changed)


@sensitive_variables()
@transaction.atomic
def _roll(key: ApiKey, who: Who, form_token: str) -> Outcome:
    """Undoes a roll whose new secret nobody could read."""
    token = f"{form_token[:40]}-{key.public_id}" if form_token else None
    was_done_before = token is not None and key.project.api_keys.filter(form_token=token).exists()
    new = roll_key(key=key, overlap=Overlap.DAY, **who._asdict(), form_token=token, is_told=False)
    if not new.key.can_be_shown:
        raise ShownOnce(key)
    return Outcome(key, Choice.ROLL, new=new.key, was_done_before=was_done_before)
