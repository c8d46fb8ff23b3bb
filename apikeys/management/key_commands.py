"""The common part of the commands about one key."""

import re
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from apikeys.bounds import in_words as bounds_in_words
from apikeys.bounds.restrictions import Unreadable
from apikeys.keys.key_errors import KeyGone
from apikeys.leases.held_answers import one_answer
from apikeys.management.bound_options import facts_of_key
from apikeys.models import ApiKey
from common.installation import MANAGE
from common.instants import in_words
from common.plurals import counted
from projects.management.operator_command import Answer, OperatorCommand, find_user, named_user
from projects.models import Project
from projects.permissions import Permission

_KEY_ID = re.compile(r"key_[0-9A-Za-z]{16}")
_NAMED_AT_MOST = 20

GUIDE = 'See "Peppers and ring" in docs/security.md.'
# The fault of keys that do not fit the secrets outside the database, and its remedy.
WRONG_KEYS = {
    "not_decrypted": "They cannot be decrypted: KEY_RING's entry of that id is not the one that they were made with, "
    "or someone changed their rows. Requests are allowed, but no secret can be shown. Correct KEY_RING, or roll the "
    "keys.",
    "digest_differs": "Their digests are not those of their secrets, so requests using them are rejected as unknown: "
    "KEY_PEPPERS' entry of that id is not the one that they were made with, or someone changed their rows. Correct "
    "KEY_PEPPERS, or roll them.",
}


def facts(key: ApiKey) -> dict[str, Any]:
    """The key as --json shows it; times are ISO 8601 in UTC, or None."""
    return {
        "id": key.public_id,
        "name": key.name,
        "state": str(key.state),
        "standing": key.standing.code,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "pause_reason": key.pause_reason,
        "resumes_at": key.resumes_at.isoformat() if key.resumes_at else None,
        "pause_note": key.pause_note,
        **facts_of_key(key),
        "mask": key.mask,
        "project": key.project.public_id,
        "created_by": key.created_by.email,
        "created_by_id": key.created_by.public_id,
        "responsible": key.responsible.email,
        "responsible_id": key.responsible.public_id,
        "created_at": key.created_at.isoformat(),
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


def end_in_words(key: ApiKey) -> str:
    """Such as "expires on 26 February 2027, 09:30 UTC"; "" for a key that never expires."""
    if key.expires_at is None:
        return ""
    return f"{'expired' if key.is_expired else 'expires'} on {in_words(key.expires_at)}{key.or_when_quiet}"


def may_in_words(key: ApiKey) -> str:
    """Such as "read only, from 198.51.100.0/24, 100 requests a minute"; "" for a key that may do everything."""
    try:
        bounds = key.bounds
    except Unreadable:
        return "restricted as only a newer release can read"
    words = (
        bounds_in_words.access(bounds) if bounds.read_only or bounds.scopes is not None else "",
        f"from {bounds_in_words.networks(bounds)}" if bounds.networks else "",
        bounds_in_words.limits(bounds.limits) if any(bounds.limits) else "",
    )
    return ", ".join(filter(None, words))


def named(key_ids: list[str], noun: str = "key") -> str:
    """How many keys there are, and the first 20 of their ids; --json has all ids."""
    more = len(key_ids) - _NAMED_AT_MOST
    ids = ", ".join(key_ids[:_NAMED_AT_MOST]) + (f" and {more:,} more, which --json names" if more > 0 else "")
    return f"{counted(len(key_ids), noun)} ({ids})"


def find_key(key_id: str) -> ApiKey:
    """The key, deleted ones too. Raises CommandError if there is none."""
    key = None
    if _KEY_ID.fullmatch(key_id):
        key = ApiKey.objects.select_related("project", "responsible", "creator").filter(public_id=key_id).first()
    if key is None:
        raise CommandError(f"No key {key_id!r}: list a project's keys with: {MANAGE} listkeys PROJECT_ID")
    return key


def find_creator(project: Project, email: str | None) -> User:
    """The account that will be responsible for a new key.

    Raises CommandError if it may not create keys in the project.
    """
    creators = project.memberships.that(Permission.MANAGE_KEYS)
    if email is None:
        active = creators.filter(user__is_active=True).select_related("user")
        first = active.order_by("created_at", "pk").first()
        if first is None:
            raise CommandError(f"{project.name} has no active owner. Add one at /admin/projects/membership/add/")
        return first.user
    user = find_user(email)
    if not creators.filter(user=user).exists():
        raise CommandError(
            f"{named_user(user)} may not make keys in {project.name}. "
            "Leave out --by for its owner, or make them one at /admin/projects/membership/"
        )
    return user


class ChangeCommand(OperatorCommand):
    """Changes a key, or all keys of a project. It answers, also that this was so already, as late as a page does."""

    answering = staticmethod(one_answer)


class KeyStateCommand(ChangeCommand):
    """Changes one key's state. Subclasses say how, and what to print; {key} stands for name and id, {id} for the id.

    A command fails if the key is not as the command was to make it. A key that was so already is no failure.
    """

    done: str
    unchanged: str

    def change(self, key: ApiKey) -> bool:
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key_id", help="The key's id, key_…; listkeys prints it.")

    def answer(self, **options: Any) -> Answer:
        key = find_key(options["key_id"])
        try:
            changed = self.change(key)
        except KeyGone as error:
            raise CommandError(
                f"{key.name} ({key.public_id}) was deleted for good and stays so. Make a new key with: "
                f"{MANAGE} createkey {key.project.public_id} --name NAME"
            ) from error
        text = self.done if changed else self.unchanged
        words = {"key": f"{key.name} ({key.public_id})", "id": key.public_id}
        return Answer(facts(key) | {"changed": changed}, text.format(**words))
