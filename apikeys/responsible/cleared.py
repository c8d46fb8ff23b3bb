"""The account is cleared: somebody may have registered it in advance, and may know the secrets of its keys."""

from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.services import Lost
from accounts.signals import account_cleared
from apikeys import audit_kinds
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import change_end_of_pause, pause_key
from apikeys.leases.held_answers import hold_answer
from apikeys.models import ApiKey
from apikeys.responsible.account_emails import email_about
from apikeys.responsible.known_names import name_known_to, name_of, projects_of
from common.outbox.enqueueing import enqueue
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import circumstances
from projects.audit_log.recording import record
from projects.members.sole_owners import leave_projects_of_others
from projects.models import Membership, Project
from projects.permissions import Permission

_CLEARED = Email(
    None,
    "Account cleared",
    "The email of the account below was confirmed for the first time, by a person who was not signed in to it. "
    "Somebody else may have used the account before. So it has left your projects, it is not responsible for its API "
    "keys any more, and they were paused. Requests using them are now rejected.",
    "If programs still need these keys, take each of them over on its page once you know who uses it, then re-enable "
    "it. To have the person back, invite them.",
    section="",
    why="You get this email because you own these projects.",
)
_WHY_PAUSED = (
    "The email of the responsible account was confirmed for the first time. Somebody else may have used it before."
)


@receiver(account_cleared)
def take_everything_away(user: User, address: str | None, nobody: Callable[[], User], **kwargs: Any) -> list[Lost]:
    """Pauses the keys for which the account is responsible, makes nobody responsible for them, and leaves projects.

    Otherwise somebody else could re-enable them, and they would work in the name of a person who never agreed. An owner
    can take them over. A key of a project that the account has left has the name that the account knew.
    """
    living = ApiKey.objects.alive().filter(responsible=user, project__deleted_at=None)
    keys = list(living.select_related("project").order_by("pk"))
    own = projects_of(user)
    paused = [key for key in keys if _pause(key, user, address)]
    _make_nobody_responsible(keys, user, nobody, address)
    left, lost = leave_projects_of_others(user, address)
    who = circumstances(user, address, nobody=True)
    told = _by_owner(left, paused).items()
    enqueue(
        [email_about(user, _CLEARED, to=to, named=named, each="Change", who=who) for to, named in told],
        about=user.public_id,
    )
    names = [name_of(key) if key.project_id in own else name_known_to(user, key) for key in keys]
    return [*(Lost("Key paused", name, is_key=True) for name in names), *lost]


def _make_nobody_responsible(keys: list[ApiKey], user: User, nobody: Callable[[], User], address: str | None) -> None:
    if not keys:
        return
    hold_answer()
    account = nobody()
    for key in keys:
        ApiKey.objects.filter(pk=key.pk, creator=user).update(creator=None)
        ApiKey.objects.filter(pk=key.pk).update(responsible=account)
        record(
            audit_kinds.HANDED_OVER,
            project=key.project,
            key=key,
            by=user,
            address=address,
            before=user.email,
            after=str(account),
            is_told=False,
        )


def _by_owner(left: Collection[Project], paused: Collection[ApiKey]) -> dict[str, list[str]]:
    """What each other owner is told of, by the owner's email address."""
    changes = defaultdict[int, list[str]](list)
    for project in left:
        changes[project.pk].append(f"left {project.name}")
    for key in paused:
        changes[key.project_id].append(f"paused {name_of(key)}")
    found = defaultdict[str, list[str]](list)
    owners = Membership.objects.active().that(Permission.OWN_PROJECT).filter(project__in=changes)
    for email, pk in owners.order_by("pk").values_list("user__email", "project"):
        found[email] += changes[pk]
    return found


def _pause(key: ApiKey, user: User, address: str | None) -> bool:
    """Whether the key worked, or would have worked again by itself."""
    with suppress(KeyGone):
        who: dict[str, Any] = {"key": key, "by": user, "address": address, "needs_right": False}
        return pause_key(**who, note=_WHY_PAUSED) or (
            key.resumes_at is not None and change_end_of_pause(**who, until=None)
        )
    return False
