"""Every change of a key, and every look at its secret. Its end and rolls are in apikeys/lifetimes.

Each is one keyword-only function that takes the person as `by` (None: an operator's command) and the `address` of the
request. Each is atomic and writes its event in the same transaction. State changes are conditional UPDATEs: a pause
that races a deletion changes nothing instead of bringing the key back.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.keys import creation_limits
from apikeys.keys.end_limits import check_end, check_instant
from apikeys.models import ApiKey
from apikeys.secrets import integrity, secret_format, vault
from apikeys.standing import EndReason, KeyState, PauseReason
from common.gone import Gone
from common.instants import in_words, in_words_or_never
from common.names import clean_name, clean_note
from projects.audit_log.kinds import Kind
from projects.audit_log.recording import record, record_for_keys
from projects.locks import lock_project
from projects.models import Project

# The longest pause that is a rehearsal of the key's deletion.
REHEARSAL = timedelta(hours=1)
_NO_END_OF_PAUSE: dict[str, object] = {"resumes_at": None, "pause_note": ""}
# Rejected requests are counted from the change that rejects them.
_NOTHING_REFUSED: dict[str, object] = {"refused_calls": 0, "last_refused_at": None, "last_refused_address": None}


class KeyGone(Gone):
    """The key was deleted in the meantime."""


class ShownOnce(Exception):
    """The secret of `key` was shown at its creation and is stored nowhere."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(key.public_id)
        self.key = key


class NewKey(NamedTuple):
    key: ApiKey
    secret: str


class ChangeState(Protocol):
    """The common signature of `pause_key` and `resume_key`."""

    def __call__(self, *, key: ApiKey, by: User | None, address: str | None) -> bool: ...


class ReadSecret(Protocol):
    """The common signature of `copy_secret` and `reveal_secret`."""

    def __call__(self, *, key: ApiKey, by: User, address: str | None) -> str: ...


@sensitive_variables()
def insert_key(project: Project, by: User, **columns: Any) -> NewKey:
    """Writes a key's row, without its event. Called in the transaction that has locked the project."""
    secret = secret_format.generate(settings.KEY_PREFIX)
    key = ApiKey(project=project, created_by=by, **columns)
    key.mask = secret_format.mask(secret, settings.KEY_PREFIX)
    key.pepper_id, key.digest = vault.new_digest(secret)
    if not project.show_once:
        key.ring_key_id, key.ciphertext = vault.encrypt(secret, key_id=key.public_id, project_id=project.public_id)
    key.save(force_insert=True)
    return NewKey(key, secret)


@sensitive_variables()
def key_of_form(project: Project, form_token: str | None) -> NewKey | None:
    """The key that this form created before. Called in the transaction that has locked the project.

    Raises ShownOnce if its secret is not stored, and ValidationError if the key was deleted.
    """
    key = project.api_keys.filter(form_token=form_token).first() if form_token else None
    if key is None:
        return None
    if key.is_deleted:
        raise ValidationError("The key that this form created was deleted. Reload the page.", code="form_used")
    return NewKey(key, _decrypt(key))


@sensitive_variables()
def create_key(
    *,
    project: Project,
    name: str,
    by: User,
    form_token: str | None = None,
    address: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Returns a new active key and its secret; the same key again for a form that is submitted twice.

    Raises ValidationError for a name that breaks the rule or is taken, for an end that is not allowed, or at one of the
    project's limits; ShownOnce for the second submission where secrets are shown once; ProjectGone if the project was
    deleted; VaultUnavailable without a key ring.
    """
    name = clean_name(name)
    end = {"expires_at": expires_at, "end_reason": EndReason.CHOSEN if expires_at else ""}
    with transaction.atomic():
        project = lock_project(project)
        if before := key_of_form(project, form_token):
            return before
        check_end(expires_at, created_at=timezone.now())
        creation_limits.refuse_name(name, project)
        creation_limits.refuse_too_many(project)
        try:
            with transaction.atomic():
                new = insert_key(project, by, name=name, form_token=form_token or None, **end)
        except IntegrityError as error:
            # The database's constraint has the last word.
            raise ValidationError("This project already has a key of that name.", code="name_taken") from error
        record(audit_kinds.CREATED, project=project, key=new.key, by=by, address=address)
        return new


def rename_key(*, key: ApiKey, name: str, by: User | None, address: str | None = None) -> bool:
    """Gives the key another name. False if it has that name already.

    Raises ValidationError for a name that breaks the rule or is taken, KeyGone if the key was deleted, and ProjectGone
    if the project was.
    """
    name = clean_name(name)
    with transaction.atomic():
        project = lock_project(key.project)
        creation_limits.refuse_taken(name, project, besides=key.pk)
        before = project.api_keys.values_list("name", flat=True).get(pk=key.pk)
        try:
            with transaction.atomic():
                changed = bool(ApiKey.objects.alive().filter(pk=key.pk).exclude(name=name).update(name=name))
        except IntegrityError as error:
            # The database's constraint has the last word.
            raise ValidationError("This project already has a key of that name.", code="name_taken") from error
        key.refresh_from_db()
        if key.is_deleted:
            raise KeyGone
        if changed:
            record(audit_kinds.RENAMED, key=key, by=by, address=address, before=before, after=name)
    return changed


class _Change(NamedTuple):
    """A change of a key's state, and who makes it."""

    key: ApiKey
    by: User | None
    address: str | None
    now: datetime

    def make(self, before: Q, kind: Kind, fields: dict[str, object], until: str = "") -> bool:
        """Whether the key matched `before` and now has `fields`; then an event is recorded."""
        with transaction.atomic():
            write_down_end_of_pause(self.key, self.now)
            changed = bool(ApiKey.objects.filter(before, pk=self.key.pk).update(**fields))
            if changed:
                record(kind, key=self.key, by=self.by, address=self.address, before=until)
        self.key.refresh_from_db()
        return changed


def _paused(now: datetime, reason: str = "") -> dict[str, object]:
    """The columns of a key that worked until now."""
    return {"state": KeyState.PAUSED, "paused_at": now, "pause_reason": reason, **_NO_END_OF_PAUSE, **_NOTHING_REFUSED}


def _resumed(at: datetime) -> dict[str, object]:
    """The columns of a key whose pause ended at `at`."""
    nothing = {"paused_at": None, "pause_reason": "", **_NO_END_OF_PAUSE, **_NOTHING_REFUSED}
    return {"state": KeyState.ACTIVE, "rehearsal_ended_at": _end_of_rehearsal(at), **nothing}


def _end_of_rehearsal(at: datetime) -> Case:
    """The column's value once a pause ended, or is no rehearsal any more."""
    going_on = Q(rehearsal_began_at__isnull=False, rehearsal_ended_at__isnull=True)
    return Case(When(going_on, then=at), default=F("rehearsal_ended_at"))


def write_down_end_of_pause(key: ApiKey, now: datetime) -> bool:
    """Whether a pause of the key had ended by itself. The key worked since; now its row says so, with an event.

    Called in the transaction of a change, before the change. The first caller alone gets True.
    """
    lapsed = ApiKey.objects.filter(pk=key.pk, state=KeyState.PAUSED, resumes_at__lte=now)
    ended_at = lapsed.select_for_update(no_key=True).values_list("resumes_at", flat=True).first()
    if ended_at is None:
        return False
    ApiKey.objects.filter(pk=key.pk).update(**_resumed(ended_at))
    record(audit_kinds.RESUMED_ITSELF, key=key, by=None, address=None, at=ended_at)
    return True


def pause_key(
    *, key: ApiKey, by: User | None, address: str | None = None, until: datetime | None = None, note: str = ""
) -> bool:
    """Stops the key, reversibly; with `until`, until that instant. A pause of at most REHEARSAL is a rehearsal.

    False if the key was paused already, or its end has come. Raises KeyGone if it was deleted, and ValidationError for
    an `until` that is over or too far ahead.
    """
    now = timezone.now()
    fields = _paused(now) | {"resumes_at": until, "pause_note": clean_note(note)}
    if until:
        check_instant(until, now)
        if until - now <= REHEARSAL:
            fields |= {"rehearsal_began_at": now, "rehearsal_ended_at": None}
    works = Q(state=KeyState.ACTIVE) & (Q(expires_at=None) | Q(expires_at__gt=now))
    kind = audit_kinds.PAUSED_UNTIL if until else audit_kinds.PAUSED
    changed = _Change(key, by, address, now).make(works, kind, fields, in_words(until) if until else "")
    if key.is_deleted:
        raise KeyGone
    return changed


def change_end_of_pause(*, key: ApiKey, until: datetime | None, by: User | None, address: str | None = None) -> bool:
    """Keeps a paused key paused, or gives its pause another end. It is no rehearsal from then on.

    False if the key is not paused, is reported as leaked, or has that end. Raises KeyGone and ValidationError as
    `pause_key` does.
    """
    now = timezone.now()
    if until:
        check_instant(until, now)
    with transaction.atomic():
        write_down_end_of_pause(key, now)
        row = ApiKey.objects.select_for_update().get(pk=key.pk)
        changed = row.state == KeyState.PAUSED and not row.pause_reason and row.resumes_at != until
        if changed:
            ApiKey.objects.filter(pk=key.pk).update(resumes_at=until, rehearsal_ended_at=_end_of_rehearsal(now))
            before, after = in_words_or_never(row.resumes_at), in_words_or_never(until)
            record(audit_kinds.PAUSE_CHANGED, key=key, by=by, address=address, before=before, after=after)
    key.refresh_from_db()
    if key.is_deleted:
        raise KeyGone
    return changed


def resume_key(*, key: ApiKey, by: User | None, address: str | None = None, although_reported: bool = False) -> bool:
    """Lets a paused key work again. False if it was not paused, or is reported as leaked and has to stay paused;
    raises KeyGone if it was deleted.

    `although_reported` means that the person has seen the report and has just confirmed who they are. All owners then
    get an email.
    """
    now = timezone.now()
    fields = _resumed(now)
    paused, reported = Q(state=KeyState.PAUSED), Q(pause_reason=PauseReason.REPORTED)
    change = _Change(key, by, address, now)
    changed = change.make(paused & ~reported, audit_kinds.RESUMED, fields)
    if although_reported and not changed:
        changed = change.make(paused & reported, audit_kinds.RESUMED_REPORTED, fields)
    if key.is_deleted:
        raise KeyGone
    return changed


def _deleted() -> dict[str, object]:
    """The columns of a key that is deleted now."""
    return {
        "state": KeyState.DELETED,
        "deleted_at": timezone.now(),
        "paused_at": None,
        "pause_reason": "",
        **_NO_END_OF_PAUSE,
        "ciphertext": None,
        "ring_key_id": "",
        **_NOTHING_REFUSED,
    }


def delete_key(*, key: ApiKey, by: User | None, address: str | None = None) -> bool:
    """Stops the key for good and destroys its ciphertext. False if it was deleted already."""
    change = _Change(key, by, address, timezone.now())
    return change.make(~Q(state=KeyState.DELETED), audit_kinds.DELETED, _deleted())


def delete_keys_of(*, project: Project, by: User | None, address: str | None = None) -> int:
    """Deletes all living keys of a project that is being deleted, and returns their number.

    Each deletion is an event. The number of queries does not depend on the number of keys. No email is sent, because
    one email about the project covers all its keys.
    """
    with transaction.atomic():
        pks = list(project.api_keys.alive().select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        project.api_keys.alive().filter(pk__in=pks).update(**_deleted())
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
        key = ApiKey.objects.alive().select_for_update().filter(digest__in=vault.digests(secret)).first()
        if key is None or key.is_reported:
            return None
        now = timezone.now()
        write_down_end_of_pause(key, now)
        # Nobody notices it if a reported key works again by itself.
        reported: dict[str, object] = {"pause_reason": PauseReason.REPORTED, "resumes_at": None}
        reported["rehearsal_ended_at"] = _end_of_rehearsal(now)
        ApiKey.objects.filter(pk=key.pk).update(**(reported if key.is_paused else _paused(now, PauseReason.REPORTED)))
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
        # Locked, so that no secret is returned after the answer to a deletion.
        row = ApiKey.objects.alive().select_for_update(of=("self",)).select_related("project").filter(pk=key.pk).first()
        if row is None:
            raise KeyGone
        secret = _decrypt(row)
        record(kind, project=row.project, key=row, by=by, address=address)
    return secret


def copy_secret(*, key: ApiKey, by: User, address: str | None = None) -> str:
    """The secret, for the clipboard; records an event.

    Raises KeyGone, ShownOnce, VaultUnavailable or CiphertextRefused.
    """
    return _read_secret(key, audit_kinds.COPIED, by, address)


def reveal_secret(*, key: ApiKey, by: User, address: str | None = None) -> str:
    """The secret, for the screen; records an event. Raises the same errors as `copy_secret`."""
    return _read_secret(key, audit_kinds.REVEALED, by, address)
