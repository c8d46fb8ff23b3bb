"""Which mails a project's owners get about its keys, and what they say."""

from typing import NamedTuple

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey, KeyEvent
from common.outbox.enqueueing import enqueue
from projects.models import Membership, MembershipQuerySet, Project

logger = structlog.get_logger(__name__)

Kind = KeyEvent.Kind
Line = tuple[str, str]

# Whoever did one of these from an address has been told of by mail, to owners who have that switch on. Pausing is not
# among them: it would let a thief of a session make an address known without a word.
_MAKE_AN_ADDRESS_KNOWN = {
    "created": [Kind.CREATED],
    "deleted": [Kind.DELETED],
    "revealed": [Kind.COPIED, Kind.REVEALED],
}


class Words(NamedTuple):
    """`switch` is the owner's choice that a mail hangs on, as `MembershipQuerySet.mailed` takes it.

    `section` of the settings page is where one goes next; "" where there is no such page any more.
    """

    switch: str | None
    subject: str
    what: str
    advice: str
    section: str = "api-keys"
    # Why the reader gets the email, if it is not only because they own the project.
    why: str = ""


_CHECK_ACCOUNTS = "change your password and sign out your other sessions"
_WORDS = {
    Kind.CREATED: Words(
        "created",
        "API key created",
        "An API key was created.",
        f"If this was not you or someone you trust, delete the key, then {_CHECK_ACCOUNTS}.",
    ),
    Kind.DELETED: Words(
        "deleted",
        "API key deleted",
        "An API key was deleted, for good. Requests with it are refused.",
        f"If this was not you or someone you trust, create a new key for what used it, then {_CHECK_ACCOUNTS}.",
    ),
    Kind.COPIED: Words(
        "revealed",
        "API key copied from a new address",
        "The secret of an API key was copied, from an address that may be new to you.",
        f"If this was not you or someone you trust, pause the key, create a new one, then {_CHECK_ACCOUNTS}.",
    ),
    Kind.REPORTED: Words(
        "reported",
        "API key reported as leaked",
        "Somebody who holds the secret of an API key reported it as leaked. Latchkey has paused the key: every request "
        "with it is refused.",
        "Create a new key, switch your programs to it, then delete this one.",
    ),
}
# No switch: a thief of a session could switch it off first.
_WORDS[Kind.RESUMED_REPORTED] = Words(
    None,
    "Reported API key re-enabled",
    "An API key that was reported as leaked was re-enabled. Requests with it are let in again, also those of whoever "
    "else has its secret.",
    "If this was not you or someone you trust, pause the key, create a new one, then " + _CHECK_ACCOUNTS + ".",
)
_WORDS[Kind.REVEALED] = _WORDS[Kind.COPIED]._replace(
    subject="API key revealed from a new address", what=_WORDS[Kind.COPIED].what.replace("copied", "revealed")
)
_PROJECT_DELETED = Words(
    "deleted",
    "Project deleted",
    "The project was deleted, for good, and its API keys with it. Requests with them are refused.",
    f"If this was not you or someone you trust, {_CHECK_ACCOUNTS}, and ask the operators of this server.",
    section="",
)
# No switch: whoever has a session could else first switch it off, and then have secrets stored that were not to be.
_SECRETS_SHOWN_AGAIN = Words(
    None,
    "Secrets can be shown again",
    "The secrets of this project's API keys were shown once. From now on new ones are stored, encrypted, and can be "
    "shown again.",
    'If this was not you or someone you trust, choose "Show secrets once" again, replace the keys that were created in '
    f"between, then {_CHECK_ACCOUNTS}.",
    section="show-once",
)


def _of_a_member(subject: str, what: str) -> Words:
    """No switch: else a person could be let in, or kept out, without the owners' knowledge."""
    return Words(
        None,
        subject,
        what,
        f"If you did not expect this, {_CHECK_ACCOUNTS}, and ask the operators of this server to undo it.",
        section="",
        why="You are this person, or you own this project in Latchkey. All of them get this email.",
    )


_OF_A_MEMBER = {
    Kind.MEMBER_ADDED: _of_a_member("Member added", "A person became a member of a project."),
    Kind.MEMBER_CHANGED: _of_a_member("Member's role changed", "A member of a project got another role."),
    Kind.MEMBER_REMOVED: _of_a_member("Member removed", "A person is no longer a member of a project."),
}


def tell_of_member(event: KeyEvent) -> None:
    """One email to the person and to each owner; called in the transaction that changes the member."""
    project, person = event.project, event.member
    if person is None:
        return
    owners = Membership.objects.mailed().filter(project=project).order_by("pk").values_list("user__email", flat=True)
    people = [(email, project.name, project.public_id) for email in dict.fromkeys([person.email, *owners])]
    lines = [("Person", person.email), ("Role", event.get_role_display()), *circumstances(event.by, event.address)]
    _send(people, _OF_A_MEMBER[Kind(event.kind)], person.email, lines)


def tell_of_event(key: ApiKey, kind: KeyEvent.Kind, by: User | None, address: str | None, source: str = "") -> None:
    """Has owners told of an event once it is committed. Called before it is written.

    A copied or revealed secret is told of where the address is new: no mail has told the owner before that the same
    person created, deleted, copied or revealed a key of this project from it. An address that cannot be read is always
    new: it may be anybody's. `source` is where a leak was found, as `leak_reports.clean_source` left it. A project that
    is being deleted has its own mail.
    """
    words = _WORDS.get(kind)
    if words is None:
        return
    lines = [("Key", f"{key.name}, {key.mask}")]
    if source:
        lines.append(("Found at (says whoever reported it)", source))
    owners = Membership.objects.mailed(words.switch).filter(project=key.project_id, project__deleted_at=None)
    if words.switch == "revealed":
        owners = _without_those_who_know(owners, by, address)
        # Only a person's request gets as far as this without one; a command has no address to read.
        address = address or "an address that cannot be read"
    lines += circumstances(by, address, nobody=kind == Kind.REPORTED)
    _tell(owners, words, key.name, lines)


def tell_of_deleted_project(project: Project, by: User | None, address: str | None) -> None:
    """One mail for all its keys; called in the transaction that deletes it."""
    owners = Membership.objects.mailed(_PROJECT_DELETED.switch).filter(project=project)
    _tell(owners, _PROJECT_DELETED, "", circumstances(by, address))


def tell_of_secrets_shown_again(project: Project, by: User | None, address: str | None) -> None:
    """Called in the transaction that changes the project."""
    owners = Membership.objects.mailed(_SECRETS_SHOWN_AGAIN.switch).filter(project=project)
    _tell(owners, _SECRETS_SHOWN_AGAIN, "", circumstances(by, address))


def _without_those_who_know(owners: MembershipQuerySet, by: User | None, address: str | None) -> MembershipQuerySet:
    """An owner was told of what happened since he became an owner and last changed which mails he gets."""
    if address is None:
        return owners if by else owners.none()
    since = Coalesce(OuterRef("mails_chosen_at"), OuterRef("created_at"))
    events = KeyEvent.objects.filter(project=OuterRef("project"), by=by, address=address, at__gt=since)
    for switch, kinds in _MAKE_AN_ADDRESS_KNOWN.items():
        owners = owners.exclude(Exists(events.filter(kind__in=kinds)), **{f"mail_{switch}": True})
    return owners


def circumstances(by: User | None, address: str | None, nobody: bool = False) -> list[Line]:
    return [
        *([] if nobody else [("By", by.email if by else "an operator of this server")]),
        ("When", f"{timezone.now():%-d %B %Y, %H:%M:%S} UTC"),
        *([("From", address)] if address else []),
    ]


def _tell(owners: MembershipQuerySet, words: Words, key_name: str, lines: list[Line]) -> None:
    people = list(owners.order_by("pk").values_list("user__email", "project__name", "project__public_id"))
    _send(people, words, key_name, lines)


def _send(people: list[tuple[str, str, str]], words: Words, about: str, lines: list[Line]) -> None:
    """`about` is the name of the key, or the address of the member, that the emails are about; "" for the project."""
    if not people:
        return
    _, project_name, project_id = people[0]
    try:
        subject, text = _written(project_name, project_id, words, about, lines)
    except Exception:
        # The change does not depend on its email.
        logger.exception("mail_not_written", about=project_id)
        return
    enqueue([EmailMessage(subject, text, to=[email]) for email, *_ in people], about=project_id)


def _written(project_name: str, project_id: str, words: Words, about: str, lines: list[Line]) -> tuple[str, str]:
    subject = f"{words.subject}: {about} ({project_name})" if about else f"{words.subject}: {project_name}"
    context = {
        "words": words,
        "lines": [("Project", project_name), *lines],
        "settings_url": settings.BASE_URL + reverse("apikeys:settings", args=[project_id]),
    }
    text = render_to_string("apikeys/mail.txt", context).strip() + "\n"
    # A line feed in a header is refused. No name holds one; should one after all, its mail is sent nonetheless.
    return settings.EMAIL_SUBJECT_PREFIX + " ".join(subject.split()), text
