"""The account is deactivated or reactivated: its active keys stop or work again, and the owners are told."""

from collections import defaultdict
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.dispatch import receiver

from accounts.models import User
from accounts.services import SHOWN, Consequence
from accounts.signals import account_deactivated, account_reactivated, deactivation_asked, deactivation_begun
from apikeys.leases.held_answers import hold_answer
from apikeys.models import ApiKey
from apikeys.responsible.account_emails import email_about
from apikeys.responsible.known_names import name_of
from apikeys.standing import KeyState
from common.installation import MANAGE
from common.outbox.enqueueing import enqueue
from common.plurals import counted
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import circumstances
from projects.members.sole_owners import projects_of_nobody_else
from projects.models import Membership
from projects.permissions import Permission

_STOPPED = Email(
    None,
    "Account deactivated",
    "The account below was deactivated and cannot sign in. Requests using the API keys "
    "for which it is responsible are now rejected.",
    "If programs still need these keys, an owner can take each of them over on the key's page. It then works again. "
    "The keys also work again if an administrator of this server reactivates the account.",
    section="",
    why="You get this email because you own these projects. All owners get it.",
)
_WORKING = _STOPPED._replace(
    subject="Account reactivated",
    what="The account below was reactivated. Requests using the API keys for which it is responsible "
    "are allowed again.",
    advice="If these keys are no longer needed, delete them.",
)


def active_keys_of(user: User) -> QuerySet[ApiKey]:
    """The active keys of living projects for which the account is responsible. They stop with it."""
    return ApiKey.objects.filter(responsible=user, state=KeyState.ACTIVE, project__deleted_at=None)


@receiver(deactivation_asked)
def consequences(user: User, **kwargs: Any) -> list[Consequence]:
    keys, projects = active_keys_of(user), projects_of_nobody_else(user)
    found = [
        Consequence(
            "Active API keys for which this account is responsible",
            "Requests using these keys are rejected at once, with 403 forbidden. To deactivate the account without "
            "stopping them, have them handed over first: owners do that on a key's page, and operators with "
            f"{MANAGE} handover. The keys also work again if the account is reactivated. The owners of their projects "
            "get an email.",
            [name_of(key) for key in keys.select_related("project")[:SHOWN]],
            keys.count(),
        ),
        Consequence(
            "Projects that have no other active owner",
            "Nobody can manage them until you make someone an owner. Keys in them for which other people are "
            "responsible keep working.",
            [f"{project.name} ({project.public_id})" for project in projects[:SHOWN]],
            projects.count(),
        ),
    ]
    return [consequence for consequence in found if consequence.total]


@receiver(deactivation_begun)
def hold_answer_to_deactivation(**kwargs: Any) -> None:
    hold_answer()


@receiver(account_deactivated)
def tell_of_deactivation(user: User, by: User | None, address: str | None, **kwargs: Any) -> None:
    _tell_owners(user, _STOPPED, by, address)


@receiver(account_reactivated)
def tell_of_reactivation(user: User, by: User | None, address: str | None, **kwargs: Any) -> None:
    _tell_owners(user, _WORKING, by, address)


def _tell_owners(user: User, words: Email, by: User | None, address: str | None) -> None:
    """One email to each owner of the projects whose keys stop or work again, also to the account itself."""
    keys = dict(active_keys_of(user).order_by().values_list("project").annotate(Count("pk")))
    told = Membership.objects.that(Permission.OWN_PROJECT)
    owners = told.filter(Q(user__is_active=True) | Q(user=user), project__in=keys)
    projects = defaultdict(list)
    for email, project, name in owners.order_by("pk").values_list("user__email", "project", "project__name"):
        projects[email].append(f"{name} ({counted(keys[project], 'key')})")
    who = circumstances(by, address)
    enqueue(
        [email_about(user, words, to=email, named=named, each="Project", who=who) for email, named in projects.items()],
        about=user.public_id,
    )
