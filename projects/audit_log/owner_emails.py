"""Who gets an email about an event, and how the email is written. The kinds of events have the words."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
from common.plurals import counted
from projects.audit_log.kinds import Email, Kind, all_kinds
from projects.audit_log.lost_emails import note_unwritten_emails
from projects.audit_log.models import AuditEvent
from projects.models import Membership, MembershipQuerySet, Project
from projects.permissions import Permission, roles_that

logger = structlog.get_logger(__name__)

Line = tuple[str, str]
MOST_OWNERS_NAMED = 3
# Somebody without the owners' trust wrote the address.
FOUND_AT = "Reported location (unverified)"


class NamedKey(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def mask(self) -> str: ...


def tell(
    kind: Kind, event: AuditEvent, key: NamedKey | None, also: Iterable[User] = (), more: Sequence[Line] = ()
) -> None:
    """Has the email about `event` sent once it is committed. Called before the event is written.

    `more` lines tell the owners, but not the member whom the event is about, what else was done. A project that is
    being deleted has an email of its own, see `tell_of_deleted_project`.
    """
    if kind.email is None:
        return
    owners = _owners(kind.email, event)
    if kind.email.only_from_new_addresses:
        owners = _without_those_who_know(owners, event)
    project, lines = event.project, _lines(kind, event, key)
    about = key.name if key else event.member.email if event.member else ""
    # Who creates a project needs no email about that.
    if event.member and not event.is_creation:
        _tell_member(event.member, project, kind.email, about, lines)
    people = _addresses(owners)
    people += [(user.email, project.name, project.public_id) for user in also]
    _send(people, kind.email, about, [*lines, *more])


def _tell_member(user: User, project: Project, email: Email, about: str, lines: list[Line]) -> None:
    """The person may not do what owners may, so the email names the owners. A former member gets no link."""
    members = project.memberships.active()
    owners = members.that(Permission.MANAGE_MEMBERS).exclude(user=user).order_by("created_at", "pk")
    names = ", ".join(owners.values_list("user__email", flat=True)[:MOST_OWNERS_NAMED])
    is_member = members.filter(user=user).exists()
    words = email._replace(advice=email.to_member, links_members=is_member)
    tell_person(user, project, words, about, [*lines, *([("Owners", names)] if names else [])])


def tell_of_several(kind: Kind, events: Sequence[AuditEvent]) -> None:
    """One email to each owner, about events of one kind that one act of one person caused.

    Called in the transaction that recorded them without `is_told`. The members whom they are about get none.
    """
    if kind.email is None:
        return
    by_owner = defaultdict[str, list[AuditEvent]](list)
    for event in events:
        for email in _owners(kind.email, event).order_by("pk").values_list("user__email", flat=True):
            by_owner[email].append(event)
    for email, theirs in by_owner.items():
        named = {(event.project.public_id, event.project.name): None for event in theirs}
        people = [(email, name, public_id) for public_id, name in named]
        # Several people have the same role, and one person has a role in several projects: each fact stands once.
        facts = dict.fromkeys(fact for event in theirs for fact in _facts(kind, event, None))
        who = [value for label, value in facts if label == "Person"]
        about = who[0] if len(who) == 1 else f"{counted(len(who))} people"
        lines = sorted(facts, key=lambda fact: fact[0])
        _send(people, kind.email, about, [*lines, *circumstances(events[0].by, events[0].address)])


def tell_of_deleted_project(project: Project, email: Email, by: User | None, address: str | None) -> None:
    """One email for all keys of the project. Called in the transaction that deletes the project."""
    owners = Membership.objects.mailed(email.switch).filter(project=project)
    _send(_addresses(owners), email, "", circumstances(by, address))


def tell_person(user: User, project: Project, email: Email, about: str, lines: list[Line]) -> None:
    """An email to one person. Called in the transaction of the change that it is about."""
    _send([(user.email, project.name, project.public_id)], email, about, lines)


def tell_owners(project: Project, email: Email, about: str, lines: list[Line], *, but_owners: bool = False) -> None:
    """An email about something that no event tells, such as what time did. Called in the transaction that notes it.

    Developers who did not switch it off get it too; with `but_owners`, only they. `about` is the name of the key that
    it is about.
    """
    owners = Membership.objects.mailed(email.switch).filter(project=project, project__deleted_at=None)
    if but_owners:
        owners = owners.exclude(role__in=roles_that(Permission.OWN_PROJECT))
    _send(_addresses(owners), email, about, lines)


def _owners(email: Email, event: AuditEvent) -> MembershipQuerySet:
    """The other people who are told of the event."""
    owners = Membership.objects.mailed(email.switch).filter(project=event.project_id, project__deleted_at=None)
    return owners.exclude(user=event.member) if event.member else owners


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


def _facts(kind: Kind, event: AuditEvent, key: NamedKey | None) -> list[Line]:
    """What happened, without who did it."""
    facts = {
        "Key": key and f"{key.name}, {key.mask}",
        "Person": event.before if kind.names_person else event.member and event.member.email,
        # The role after a change is the value after it.
        "Role": "" if event.after else event.get_role_display(),
        "Before": "" if kind.names_person else event.before,
        "After": event.after,
        FOUND_AT: event.source,
    }
    return [(name, value) for name, value in facts.items() if value]


def _lines(kind: Kind, event: AuditEvent, key: NamedKey | None) -> list[Line]:
    address = event.address
    if kind.email and kind.email.only_from_new_addresses:
        # Only a person's request gets as far as this without one; a command has no address to read.
        address = address or "an address that cannot be read"
    return [*_facts(kind, event, key), *circumstances(event.by, address, nobody=kind.by_anybody)]


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
    """`about` is the name of the key, or the address of the member, that the emails are about; "" for the project.

    `people` has each address, with the name and the id of the project: of one, or of all that the emails are about.
    """
    if not people:
        return
    projects = {public_id: name for _, name, public_id in people}
    project_id = next(iter(projects))
    try:
        subject, text = _written(projects, words, about, lines)
    except Exception:
        # The change does not depend on its email.
        logger.exception("mail_not_written", about=project_id)
        note_unwritten_emails(project_id)
        return
    addresses = dict.fromkeys(email for email, *_ in people)
    enqueue([EmailMessage(subject, text, to=[email]) for email in addresses], about=project_id)


def _written(projects: Mapping[str, str], words: Email, about: str, lines: list[Line]) -> tuple[str, str]:
    """Subject and text. `projects` has the name of each project by its id."""
    [project_id, *others], [name, *_] = projects, projects.values()
    where = counted(len(projects), "project") if others else name
    subject = f"{words.subject}: {about} ({where})" if about else f"{words.subject}: {where}"
    context = {
        "words": words._replace(advice=in_words(words.advice), links_members=words.links_members and not others),
        "lines": [*(("Project", each) for each in projects.values()), *lines],
        "settings_url": settings.BASE_URL + reverse("apikeys:settings", args=[project_id]),
        "members_url": settings.BASE_URL + reverse("projects:members", args=[project_id]),
    }
    text = render_to_string("projects/owner_email.txt", context).strip() + "\n"
    # A line feed in a header is refused. If a name held one after all, its email is sent nonetheless.
    return settings.EMAIL_SUBJECT_PREFIX + " ".join(subject.split()), text
