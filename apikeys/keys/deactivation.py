"""What depends on an account: the keys for which its person is responsible, and the projects that nobody else owns."""

from collections import defaultdict
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Count, Max, Q, QuerySet
from django.dispatch import receiver
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import User
from accounts.services import SHOWN, Consequence, Obstacle, Thing
from accounts.signals import (
    account_cleared,
    account_deactivated,
    account_reactivated,
    deactivation_asked,
    deletion_asked,
)
from apikeys import audit_kinds
from apikeys.keys.key_errors import KeyGone
from apikeys.keys.pausing import change_end_of_pause, pause_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from common.outbox.enqueueing import enqueue
from projects.audit_kinds import MEMBER_LEFT, MEMBER_REMOVED, PROJECT_RENAMED
from projects.audit_log.kinds import Email
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import Line, circumstances
from projects.members.sole_owners import projects_of_nobody_else
from projects.models import Membership
from projects.permissions import Permission

_STOPPED = Email(
    None,
    "Account deactivated",
    "The account below was deactivated and cannot sign in. Requests using the API keys "
    "for which it is responsible are now rejected.",
    "If programs still need these keys, an owner can take each of them over on the key's page. It then works again. "
    "The keys also work again if the operators of this server reactivate the account.",
    section="",
    why="You get this email because you own these projects. All owners get it.",
)
_WORKING = _STOPPED._replace(
    subject="Account reactivated",
    what="The account below was reactivated. Requests using the API keys for which it is responsible "
    "are allowed again.",
    advice="If these keys are no longer needed, delete them.",
)

_PAUSED = Email(
    None,
    "API keys paused",
    "The email of the account below was confirmed for the first time, by a person who was not signed in to it. "
    "Somebody else may have used the account before. So its earlier ways to sign in and its sessions were removed, "
    "and the API keys for which it is responsible were paused. Requests using them are now rejected.",
    "If programs still need these keys, re-enable each of them on its page once you know who uses it. An owner can "
    "also take it over there.",
    section="",
    why="You get this email because this is your account, or because you own these projects.",
)
_WHY_PAUSED = (
    "The email of the responsible account was confirmed for the first time. Somebody else may have used it before."
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
            "manage.py handover. The keys also work again if the account is reactivated. The owners of their projects "
            "get an email.",
            [f"{key.name} in {key.project.name}" for key in keys.select_related("project")[:SHOWN]],
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
        projects[email].append(f"{name} ({keys[project]} {'key' if keys[project] == 1 else 'keys'})")
    messages = []
    for email, named in projects.items():
        shown = [("Project", name) for name in named[:SHOWN]]
        further = [("And further projects", str(len(named) - SHOWN))] if len(named) > SHOWN else []
        messages.append(_email(user, words, email, [*shown, *further, *circumstances(by, address)]))
    enqueue(messages, about=user.public_id)


@receiver(account_cleared)
def pause_keys_of(user: User, address: str | None, **kwargs: Any) -> list[str]:
    """Whoever registered the account in advance may know the secrets. Returns the names of the keys that stopped.

    A key of a project that the account has left has the name that the account knew.
    """
    keys = ApiKey.objects.alive().filter(responsible=user, project__deleted_at=None)
    paused = [key for key in keys.select_related("project").order_by("pk") if _pause(key, user, address)]
    own = set(Membership.objects.filter(user=user).values_list("project", flat=True))
    named = [
        f"{key.name} in {key.project.name}" if key.project_id in own else _as_known_to(user, key) for key in paused
    ]
    if paused:
        owners = Membership.objects.active().that(Permission.OWN_PROJECT).exclude(user=user)
        to_tell = {user.email: named}
        for email, project in owners.filter(project__in={key.project_id for key in paused}).values_list(
            "user__email", "project"
        ):
            shown = [f"{key.name} in {key.project.name}" for key in paused if key.project_id == project]
            to_tell.setdefault(email, []).extend(shown)
        enqueue(
            [_of_paused_keys(user, email, names, address) for email, names in to_tell.items()], about=user.public_id
        )
    return named


def _pause(key: ApiKey, user: User, address: str | None) -> bool:
    """Whether the key worked, or would have worked again by itself."""
    with suppress(KeyGone):
        return pause_key(key=key, by=user, address=address, note=_WHY_PAUSED) or (
            key.resumes_at is not None and change_end_of_pause(key=key, until=None, by=user, address=address)
        )
    return False


def _of_paused_keys(user: User, to: str, names: list[str], address: str | None) -> EmailMessage:
    further = [("And further keys", str(len(names) - SHOWN))] if len(names) > SHOWN else []
    shown = [("Key", name) for name in names[:SHOWN]]
    return _email(user, _PAUSED, to, [*shown, *further, *circumstances(user, address, nobody=True)])


def _email(user: User, words: Email, to: str, lines: list[Line]) -> EmailMessage:
    context = {"words": words, "lines": [("Account", user.email), *lines]}
    text = render_to_string("projects/owner_email.txt", context).strip() + "\n"
    return EmailMessage(f"{settings.EMAIL_SUBJECT_PREFIX}{words.subject}: {user.email}", text, to=[to])


@receiver(deletion_asked)
def tell_keys_of(user: User, **kwargs: Any) -> list[Obstacle]:
    """Living keys for which the person is responsible: they would stop, or answer with the name of nobody.

    Those of projects that only the person owns are left out, because these projects stand in the way themselves.
    """
    others = ApiKey.objects.alive().filter(responsible=user, project__deleted_at=None)
    keys = others.exclude(project__in=projects_of_nobody_else(user)).order_by("project", "pk")
    total = keys.count()
    if not total:
        return []
    own = set(Membership.objects.filter(user=user).values_list("project", flat=True))
    advice = (
        "On the key's page, have another person take the key over, roll it for another person, or delete it. The "
        "owners of a project of which you are no longer a member can do this too."
    )
    shown = [_thing(key, user, key.project_id in own) for key in keys.select_related("project")[:SHOWN]]
    return [Obstacle("API keys for which you are responsible", advice, shown, total)]


def _thing(key: ApiKey, user: User, is_member: bool) -> Thing:
    if not is_member:
        known = _as_known_to(user, key)
        return Thing(f"{known}, of which you are no longer a member: ask its owners to take the key over", "")
    page = reverse("apikeys:key", args=[key.project.public_id, key.public_id])
    return Thing(f"{key.name} in {key.project.name}", page)


def _as_known_to(user: User, key: ApiKey) -> str:
    """The names that the key and its project had when the person was a member last. They learn of no later name."""
    events = AuditEvent.objects.filter(project=key.project_id)
    ends = events.filter(member=user, kind__in=[MEMBER_REMOVED.code, MEMBER_LEFT.code])
    gone_at = ends.aggregate(at=Max("at"))["at"]
    if gone_at is None or key.created_at > gone_at:
        return f"{key.public_id} in the project {key.project.public_id}"
    later = events.filter(at__gt=gone_at).order_by("at", "pk")
    key_names = later.filter(key=key, kind=audit_kinds.RENAMED.code).values_list("before", flat=True)
    project_names = later.filter(kind=PROJECT_RENAMED.code).values_list("before", flat=True)
    return f"{key_names.first() or key.name} in {project_names.first() or key.project.name}"
