"""Who gets an email about an event, and how the email is written. The kinds of events have the words."""

from collections.abc import Iterable
from typing import Protocol

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.ways import in_words
from common.outbox.enqueueing import enqueue
from projects.audit_kinds import MEMBER_ADDED
from projects.audit_log.kinds import Email, Kind, all_kinds
from projects.audit_log.lost_emails import note_unwritten_emails
from projects.audit_log.models import AuditEvent
from projects.models import Membership, MembershipQuerySet, Project

logger = structlog.get_logger(__name__)

Line = tuple[str, str]
# Somebody without the owners' trust wrote the address.
FOUND_AT = "Reported location (unverified)"


class NamedKey(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def mask(self) -> str: ...


def tell(kind: Kind, event: AuditEvent, key: NamedKey | None, also: Iterable[User] = ()) -> None:
    """Has the email about `event` sent once it is committed. Called before the event is written.

    A project that is being deleted has an email of its own, see `tell_of_deleted_project`.
    """
    if kind.email is None:
        return
    owners = Membership.objects.mailed(kind.email.switch).filter(project=event.project_id, project__deleted_at=None)
    if kind.email.only_from_new_addresses:
        owners = _without_those_who_know(owners, event)
    # Who creates a project becomes its first member, and needs no email about that.
    is_creator = kind == MEMBER_ADDED and event.member == event.by
    project, lines = event.project, _lines(kind, event, key)
    about = key.name if key else event.member.email if event.member else ""
    if event.member and not is_creator:
        to_member = kind.email._replace(advice=kind.email.to_member, links_members=False)
        tell_person(event.member, project, to_member, about, lines)
    people = _addresses(owners.exclude(user=event.member) if event.member else owners)
    people += [(user.email, project.name, project.public_id) for user in also]
    _send(people, kind.email, about, lines)


def tell_of_deleted_project(project: Project, email: Email, by: User | None, address: str | None) -> None:
    """One email for all keys of the project. Called in the transaction that deletes the project."""
    owners = Membership.objects.mailed(email.switch).filter(project=project)
    _send(_addresses(owners), email, "", circumstances(by, address))


def tell_person(user: User, project: Project, email: Email, about: str, lines: list[Line]) -> None:
    """An email to one person. Called in the transaction of the change that it is about."""
    _send([(user.email, project.name, project.public_id)], email, about, lines)


def tell_owners(project: Project, email: Email, about: str, lines: list[Line]) -> None:
    """An email about something that time did, which nobody's action caused. Called in the transaction that notes it.

    Developers who did not switch it off get it too. `about` is the name of the key that it is about.
    """
    owners = Membership.objects.mailed(email.switch).filter(project=project, project__deleted_at=None)
    _send(_addresses(owners), email, about, lines)


def _without_those_who_know(owners: MembershipQuerySet, event: AuditEvent) -> MembershipQuerySet:
    """The owners and developers who got no email before that the same person did something from the same address.

    Such a member was told of the events after they got their role, after they last changed their choice of emails, and
    after an email to them was last lost (lost_emails.py). An address that cannot be read is always new: it may be
    anybody's.
    """
    if event.address is None:
        return owners if event.by else owners.none()
    since = Coalesce(OuterRef("mails_chosen_at"), OuterRef("created_at"))
    events = AuditEvent.objects.filter(project=OuterRef("project"), by=event.by, address=event.address, at__gt=since)
    for switch, codes in _told_by_switch().items():
        owners = owners.exclude(Exists(events.filter(kind__in=codes)), **{f"mail_{switch}": True})
    return owners


def _told_by_switch() -> dict[str, list[str]]:
    """The kinds of events of which a member with a switch turned on was told. Each of them makes its address known.

    A kind without an email is not among them: a thief of a session could make an address known in silence.
    """
    told: dict[str, list[str]] = {}
    for kind in all_kinds():
        if kind.email and kind.email.switch and not kind.by_anybody:
            told.setdefault(kind.email.switch, []).append(kind.code)
    return told


def _lines(kind: Kind, event: AuditEvent, key: NamedKey | None) -> list[Line]:
    lines = {
        "Key": key and f"{key.name}, {key.mask}",
        "Person": event.before if kind.names_person else event.member and event.member.email,
        "Role": event.get_role_display(),
        "Before": "" if kind.names_person else event.before,
        "After": event.after,
        FOUND_AT: event.source,
    }
    address = event.address
    if kind.email and kind.email.only_from_new_addresses:
        # Only a person's request gets as far as this without one; a command has no address to read.
        address = address or "an address that cannot be read"
    named = [(name, value) for name, value in lines.items() if value]
    return [*named, *circumstances(event.by, address, nobody=kind.by_anybody)]


def circumstances(by: User | None, address: str | None, nobody: bool = False) -> list[Line]:
    return [
        *([] if nobody else [("By", by.email if by else "an operator of this server")]),
        ("When", f"{timezone.now():%-d %B %Y, %H:%M:%S} UTC"),
        *([("From", address)] if address else []),
    ]


def _addresses(owners: MembershipQuerySet) -> list[tuple[str, str, str]]:
    """The email address of each member, with the name and the id of the project."""
    return list(owners.order_by("pk").values_list("user__email", "project__name", "project__public_id"))


def _send(people: list[tuple[str, str, str]], words: Email, about: str, lines: list[Line]) -> None:
    """`about` is the name of the key, or the address of the member, that the emails are about; "" for the project."""
    if not people:
        return
    _, project_name, project_id = people[0]
    try:
        subject, text = _written(project_name, project_id, words, about, lines)
    except Exception:
        # The change does not depend on its email.
        logger.exception("mail_not_written", about=project_id)
        note_unwritten_emails(project_id)
        return
    addresses = dict.fromkeys(email for email, *_ in people)
    enqueue([EmailMessage(subject, text, to=[email]) for email in addresses], about=project_id)


def _written(project_name: str, project_id: str, words: Email, about: str, lines: list[Line]) -> tuple[str, str]:
    """Subject and text."""
    subject = f"{words.subject}: {about} ({project_name})" if about else f"{words.subject}: {project_name}"
    context = {
        "words": words._replace(advice=in_words(words.advice)),
        "lines": [("Project", project_name), *lines],
        "settings_url": settings.BASE_URL + reverse("apikeys:settings", args=[project_id]),
        "members_url": settings.BASE_URL + reverse("projects:members", args=[project_id]),
    }
    text = render_to_string("projects/owner_email.txt", context).strip() + "\n"
    # A line feed in a header is refused. If a name held one after all, its email is sent nonetheless.
    return settings.EMAIL_SUBJECT_PREFIX + " ".join(subject.split()), text
