"""Every change of a key, and every look at its secret. Pauses are in pausing.py, ends and rolls in apikeys/lifetimes.

Each is one keyword-only function that takes the person as `by` (None: an operator's command) and the `address` of the
request. Each is atomic and writes its event in the same transaction. State changes are conditional UPDATEs: a pause
that races a deletion changes nothing instead of bringing the key back.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.bounds.restrictions import UNRESTRICTED, Restrictions, column_of
from apikeys.bounds.rules import check_restrictions
from apikeys.hand_over.models import KeyOffer
from apikeys.keys import creation_limits
from apikeys.keys.end_limits import check_end
from apikeys.keys.key_errors import KeyGone, NameChanged, ShownOnce
from apikeys.keys.pausing import (
    NO_END_OF_PAUSE,
    NOTHING_REFUSED,
    Change,
    end_of_rehearsal,
    paused,
    write_down_end_of_pause,
)
from apikeys.leases.held_answers import hold_answer, hold_commit
from apikeys.models import ApiKey
from apikeys.secrets import integrity, secret_format, vault
from apikeys.standing import EndReason, KeyState, PauseReason
from common.instants import in_words
from common.names import clean_name
from projects.audit_log.kinds import Kind
from projects.audit_log.recording import record, record_for_keys
from projects.locks import lock_for
from projects.models import Project
from projects.permissions import Permission


class NewKey(NamedTuple):
    key: ApiKey
    secret: str


class ReadSecret(Protocol):
    """The common signature of `copy_secret` and `reveal_secret`."""

    def __call__(self, *, key: ApiKey, by: User, address: str | None) -> str: ...


@sensitive_variables()
def insert_key(project: Project, by: User, **columns: Any) -> NewKey:
    """Writes a key's row, without its event. Called in the transaction that has locked the project."""
    secret = secret_format.generate(settings.KEY_PREFIX)
    key = ApiKey(project=project, responsible=by, **columns)
    key.mask = secret_format.mask(secret, settings.KEY_PREFIX)
    key.pepper_id, key.digest = vault.new_digest(secret)
    if not project.show_once:
        key.ring_key_id, key.ciphertext = vault.encrypt(secret, key_id=key.public_id, project_id=project.public_id)
    key.save(force_insert=True)
    return NewKey(key, secret)


@sensitive_variables()
def key_of_form(project: Project, form_token: str | None, refuse_another: Callable[[ApiKey], None]) -> NewKey | None:
    """The key that this form created before. Called in the transaction that has locked the project.

    `refuse_another` raises ValidationError if the form now asks for something else than it did before: nobody may be
    told that this was done. Raises ShownOnce if the key's secret is not stored, and ValidationError if the key was
    deleted.
    """
    key = project.api_keys.filter(form_token=form_token).first() if form_token else None
    if key is None:
        return None
    if key.is_deleted:
        raise ValidationError("The key that this form created was deleted. Reload the page.", code="form_used")
    refuse_another(key)
    return NewKey(key, _decrypt(key))


def form_was_used(key: ApiKey) -> ValidationError:
    """The error of a form that created `key` and now asks for something else."""
    until = f"and expires on {in_words(key.expires_at)}" if key.expires_at else "and never expires"
    until = "and has expired" if key.is_expired else until
    return ValidationError(
        f"This form was used before: the key that it created is called {key.name} {until}. Nothing else was done. "
        "Reload the page and try again.",
        code="form_used",
    )


@sensitive_variables()
def create_key(
    *,
    project: Project,
    name: str,
    by: User,
    form_token: str | None = None,
    address: str | None = None,
    expires_at: datetime | None = None,
    restrictions: Restrictions = UNRESTRICTED,
) -> NewKey:
    """Returns a new active key and its secret; the same key again for a form that is submitted twice.

    Raises ValidationError for a name that breaks the rule or is taken, for an end or restrictions that are not allowed,
    or at one of the project's limits; ShownOnce for the second submission where secrets are shown once; ProjectGone if
    the project was deleted; NoLongerAllowed; VaultUnavailable without a key ring.
    """
    name = clean_name(name)
    end = {"expires_at": expires_at, "end_reason": EndReason.CHOSEN if expires_at else ""}
    with transaction.atomic():
        project = lock_for(project, by=by, can=Permission.MANAGE_KEYS)
        is_same = lambda key: _refuse_other_fields(key, name, expires_at, restrictions)  # noqa: E731
        if before := key_of_form(project, form_token, is_same):
            return before
        check_end(expires_at, created_at=timezone.now())
        check_restrictions(restrictions)
        creation_limits.refuse_name(name, project)
        creation_limits.refuse_too_many(project)
        with creation_limits.unique_name():
            column = column_of(restrictions)
            new = insert_key(project, by, name=name, form_token=form_token or None, restrictions=column, **end)
        record(audit_kinds.CREATED, project=project, key=new.key, by=by, address=address)
        return new


def _refuse_other_fields(key: ApiKey, name: str, expires_at: datetime | None, restrictions: Restrictions) -> None:
    """Raises ValidationError if the form that created `key` is sent again with another name, end or restrictions."""
    is_same = key.expires_at == expires_at
    if key.expires_at and expires_at and not is_same:
        # An end in so many days is counted from the moment at which the form is sent, in whole minutes.
        length, again = key.expires_at - key.created_at, expires_at - timezone.now()
        is_same = abs(length - again) <= timedelta(minutes=1)
    if key.replaces_id or key.name != name or not is_same or key.bounds != restrictions:
        raise form_was_used(key)


def rename_key(*, key: ApiKey, name: str, by: User | None, address: str | None = None, seen: str | None = None) -> bool:
    """Gives the key another name. False if it has that name already.

    `seen` is the name that the person saw. Raises NameChanged if the key has another one by now, ValidationError for
    a name that breaks the rule or is taken, KeyGone if the key was deleted, ProjectGone if the project was, and
    NoLongerAllowed.
    """
    name = clean_name(name)
    with transaction.atomic():
        project = lock_for(key.project, by=by, can=Permission.MANAGE_KEYS)
        creation_limits.refuse_taken(name, project, besides=key.pk)
        before = project.api_keys.values_list("name", flat=True).get(pk=key.pk)
        if seen is not None and before not in (seen, name):
            raise NameChanged
        with creation_limits.unique_name():
            changed = bool(ApiKey.objects.alive().filter(pk=key.pk).exclude(name=name).update(name=name))
        key.refresh_from_db()
        if key.is_deleted:
            raise KeyGone
        if changed:
            record(audit_kinds.RENAMED, key=key, by=by, address=address, before=before, after=name)
    return changed


def _deleted() -> dict[str, object]:
    """The columns of a key that is deleted now."""
    return {
        "state": KeyState.DELETED,
        "deleted_at": timezone.now(),
        "paused_at": None,
        "pause_reason": "",
        **NO_END_OF_PAUSE,
        "ciphertext": None,
        "ring_key_id": "",
        **NOTHING_REFUSED,
    }


def delete_key(*, key: ApiKey, by: User | None, address: str | None = None) -> bool:
    """Stops the key for good and destroys its ciphertext. False if it was deleted already. Raises NoLongerAllowed."""
    change = Change(key, by, address, timezone.now())
    with transaction.atomic():
        deleted = change.make(~Q(state=KeyState.DELETED), audit_kinds.DELETED, _deleted())
        KeyOffer.objects.filter(key=key).delete()
    return deleted


def delete_keys_of(*, project: Project, by: User | None, address: str | None = None) -> int:
    """Deletes all living keys of a project that is being deleted, and returns their number.

    Each deletion is an event. The number of queries does not depend on the number of keys. No email is sent, because
    one email about the project covers all its keys.
    """
    with transaction.atomic():
        hold_answer()
        pks = list(project.api_keys.alive().select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        project.api_keys.alive().filter(pk__in=pks).update(**_deleted())
        KeyOffer.objects.filter(key__project=project).delete()
        record_for_keys(audit_kinds.DELETED, project=project, key_pks=pks, by=by, address=address)
    return len(pks)


@sensitive_variables()
def report_leak(*, secret: str, address: str | None = None, source: str = "") -> ApiKey | None:
    """Pauses the key whose secret somebody has found, and notes why. Anybody with the secret may report it.

    `source` is where it was found, for the owners' email and the admin; `leak_reports.clean_source` cleans it.

    Returns the key if the report is new; None for a secret of no key, of a deleted key, or of a key reported before.
    """
    if not secret_format.is_well_formed(secret, settings.KEY_PREFIX):
        return None
    with transaction.atomic():
        hold_commit()
        key = ApiKey.objects.alive().select_for_update().filter(digest__in=vault.digests(secret)).first()
        if key is None or key.is_reported:
            return None
        now = timezone.now()
        write_down_end_of_pause(key, now)
        # Nobody notices it if a reported key works again by itself.
        reported: dict[str, object] = {"pause_reason": PauseReason.REPORTED, "resumes_at": None}
        reported["rehearsal_ended_at"] = end_of_rehearsal(now)
        ApiKey.objects.filter(pk=key.pk).update(**(reported if key.is_paused else paused(now, PauseReason.REPORTED)))
        record(audit_kinds.REPORTED, key=key, by=None, address=address, source=source)
    key.refresh_from_db()
    return key


@sensitive_variables()
def _decrypt(key: ApiKey) -> str:
    if key.ciphertext is None:
        raise ShownOnce(key)
    return integrity.decrypted(key)


@sensitive_variables()
def _read_secret(key: ApiKey, kind: Kind, by: User, address: str | None) -> str:
    with transaction.atomic():
        lock_for(key.project, by=by, can=Permission.READ_SECRETS)
        # Locked, so that no secret is returned after the answer to a deletion.
        row = ApiKey.objects.alive().select_for_update(of=("self",)).select_related("project").filter(pk=key.pk).first()
        if row is None:
            raise KeyGone
        secret = _decrypt(row)
        record(kind, project=row.project, key=row, by=by, address=address)
    return secret


def copy_secret(*, key: ApiKey, by: User, address: str | None = None) -> str:
    """The secret, for the clipboard; records an event.

    Raises KeyGone, ShownOnce, VaultUnavailable, CiphertextRefused, NoLongerAllowed or ProjectGone.
    """
    return _read_secret(key, audit_kinds.COPIED, by, address)


def reveal_secret(*, key: ApiKey, by: User, address: str | None = None) -> str:
    """The secret, for the screen; records an event. Raises the same errors as `copy_secret`."""
    return _read_secret(key, audit_kinds.REVEALED, by, address)
