"""Kinds of events. Each app registers its kinds in its module `audit_kinds`, which holds data and imports no models.

These modules are imported before the model of an event is made, because the model's constraints name the kinds.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from django.utils.module_loading import autodiscover_modules

from common.security_log import Event


class Subject(StrEnum):
    """What an event is about. The table's constraints hold each event to it."""

    KEY = "key"  # names a key
    MEMBER = "member"  # names a person and a role
    INVITATION = "invitation"  # names a role; the invited address is its name `before`
    PROJECT = "project"  # names neither
    FILE = "file"  # names the key that a program used, or none


class Email(NamedTuple):
    """The email about an event. For an event of a member, the member gets it too, with the advice `to_member`.

    `switch` is the choice that turns the email off, as `MembershipQuerySet.mailed` takes it: owners and developers
    have it. None means that all owners get the email, and nobody can turn it off. `section` is the part of the
    settings page that the email links to, "" for no link. With `links_members`, it links to the Members page, if the
    reader may see it. `why` says why the reader gets the email, if their role is not the reason. `advice` and
    `to_member` may have the slots of `accounts.ways.in_words`.
    """

    switch: str | None
    subject: str
    what: str
    advice: str
    section: str = "api-keys"
    why: str = ""
    to_member: str = ""
    links_members: bool = False
    # Only those get it who were not emailed about the same person at the same address before.
    only_from_new_addresses: bool = False


NOBODY = None


class Kind(NamedTuple):
    """`sentence` is what the Activity page says. Its slots are by, key, member, role, before and after. A kind may have
    another sentence for events in which the person who acts is also the name `after`, and one for the event of a
    project's creation by its first member.

    `names` says whether events have a name or value before and after (a deleted thing has none after). A kind that got
    them later has a `sentence_without_names` for the events that an earlier release wrote.

    `label` names the kind in filters and files. `log_event` is the line of the security log. `names_person`
    says that the name before is the address of the person whom the event is about. `has_source` says whether events may
    say where a secret was found. `by_anybody` says that nobody knows who does it: no person, and no operator either.
    """

    code: str
    subject: Subject
    label: str
    sentence: str
    icon: str
    log_event: Event | None
    email: Email | None
    names: bool = False
    names_person: bool = False
    has_source: bool = False
    by_anybody: bool = False
    sentence_of_oneself: str = ""
    sentence_without_names: str = ""
    sentence_of_creation: str = ""


_registered: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    if kind.code in _registered:
        raise ValueError(f"There are two kinds of events with the code {kind.code}.")
    _registered[kind.code] = kind
    return kind


def discover() -> None:
    """Imports the module `audit_kinds` of each installed app."""
    autodiscover_modules("audit_kinds")


def all_kinds() -> list[Kind]:
    """Sorted by their codes, so that constraints do not depend on the order of the apps."""
    return [kind for _, kind in sorted(_registered.items())]


def kind_of(code: str) -> Kind:
    """The kind with this code. After an upgrade is taken back, rows may have a kind that is not known any more."""
    unknown = Kind(code, Subject.PROJECT, code, f"{{by}} did something: {code}", "clock", None, NOBODY)
    return _registered.get(code, unknown)


def codes_of(*subjects: Subject) -> list[str]:
    """The codes of the kinds about one of these subjects, or of all kinds."""
    return [kind.code for kind in all_kinds() if not subjects or kind.subject in subjects]


def choices() -> Iterable[tuple[str, str]]:
    return [(kind.code, kind.label) for kind in all_kinds()]
