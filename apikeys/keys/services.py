"""Every change of a key, every look at its secret, and whether a project stores secrets.

Each is one keyword-only function that takes the person as `by` (None: an operator's command) and the `address` of the
request. Each is atomic and writes its event in the same transaction. State changes are conditional UPDATEs: a pause
that races a deletion changes nothing instead of bringing the key back.
"""

from typing import NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import audit_kinds
from apikeys.keys import creation_limits
from apikeys.models import ApiKey
from apikeys.secrets import integrity, secret_format, vault
from apikeys.standing import KeyState, PauseReason
from common.gone import Gone
from common.names import clean_name
from projects.audit_log.kinds import Kind
from projects.audit_log.recording import record, record_for_keys
from projects.locks import lock_project
from projects.models import Project

# Rejected requests are counted from the change that rejects them.
_NOTHING_REFUSED: dict[str, object] = {"refused_calls": 0, "last_refused_at": None, "last_refused_address": None}


class KeyGone(Gone):
    """The key was deleted in the meantime."""


class ShownOnce(Exception):
    """The secret of `key` was shown at its creation and is stored nowhere."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(key.public_id)
        self.key = key


class SecretsStored(Exception):
    """Secrets would be destroyed, and nobody has confirmed that."""


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
def _insert_key(project: Project, name: str, by: User, form_token: str | None) -> NewKey:
    secret = secret_format.generate(settings.KEY_PREFIX)
    key = ApiKey(project=project, created_by=by, name=name, form_token=form_token or None)
    key.mask = secret_format.mask(secret, settings.KEY_PREFIX)
    key.pepper_id, key.digest = vault.new_digest(secret)
    if not project.show_once:
        key.ring_key_id, key.ciphertext = vault.encrypt(secret, key_id=key.public_id, project_id=project.public_id)
    key.save(force_insert=True)
    return NewKey(key, secret)


@sensitive_variables()
def create_key(
    *, project: Project, name: str, by: User, form_token: str | None = None, address: str | None = None
) -> NewKey:
    """Returns a new active key and its secret; the same key again for a form that is submitted twice.

    Raises ValidationError for a name that breaks the rule or is taken, or at one of the project's limits; ShownOnce for
    the second submission where secrets are shown once; ProjectGone if the project was deleted; VaultUnavailable without
    a key ring.
    """
    name = clean_name(name)
    with transaction.atomic():
        project = lock_project(project)
        if form_token and (key := project.api_keys.filter(form_token=form_token).first()):
            if key.is_deleted:
                raise ValidationError("The key that this form created was deleted. Reload the page.", code="form_used")
            return NewKey(key, _decrypt(key))
        creation_limits.refuse_name(name, project)
        creation_limits.refuse_too_many(project)
        try:
            with transaction.atomic():
                new = _insert_key(project, name, by, form_token)
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


def _change_state(key: ApiKey, before: Q, kind: Kind, by: User | None, address: str | None, **fields: object) -> bool:
    """Whether the key matched `before` and now has `fields`; then an event is recorded."""
    with transaction.atomic():
        changed = bool(ApiKey.objects.filter(before, pk=key.pk).update(**fields))
        if changed:
            record(kind, key=key, by=by, address=address)
    key.refresh_from_db()
    return changed


def _paused(reason: str = "") -> dict[str, object]:
    """The columns of a key that was active until now."""
    return {"state": KeyState.PAUSED, "paused_at": timezone.now(), "pause_reason": reason, **_NOTHING_REFUSED}


def pause_key(*, key: ApiKey, by: User | None, address: str | None = None) -> bool:
    """Stops the key, reversibly. False if it was paused already; raises KeyGone if it was deleted."""
    changed = _change_state(
        key,
        Q(state=KeyState.ACTIVE),
        audit_kinds.PAUSED,
        by,
        address,
        **_paused(),
    )
    if key.is_deleted:
        raise KeyGone
    return changed


def resume_key(*, key: ApiKey, by: User | None, address: str | None = None, although_reported: bool = False) -> bool:
    """Lets a paused key work again. False if it was active already, or is reported as leaked and has to stay paused;
    raises KeyGone if it was deleted.

    `although_reported` means that the person has seen the report and has just confirmed who they are. All owners then
    get an email.
    """
    fields: dict[str, object] = {"state": KeyState.ACTIVE, "paused_at": None, "pause_reason": ""}
    paused, reported = Q(state=KeyState.PAUSED), Q(pause_reason=PauseReason.REPORTED)
    changed = _change_state(key, paused & ~reported, audit_kinds.RESUMED, by, address, **fields)
    if although_reported and not changed:
        changed = _change_state(key, paused & reported, audit_kinds.RESUMED_REPORTED, by, address, **fields)
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
        "ciphertext": None,
        "ring_key_id": "",
        **_NOTHING_REFUSED,
    }


def delete_key(*, key: ApiKey, by: User | None, address: str | None = None) -> bool:
    """Stops the key for good and destroys its ciphertext. False if it was deleted already."""
    return _change_state(key, ~Q(state=KeyState.DELETED), audit_kinds.DELETED, by, address, **_deleted())


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
        changed = _paused(PauseReason.REPORTED) if key.is_active else {"pause_reason": PauseReason.REPORTED}
        ApiKey.objects.filter(pk=key.pk).update(**changed)
        record(audit_kinds.REPORTED, key=key, by=None, address=address, source=source)
    key.refresh_from_db()
    return key


def _choose_show_once(project: Project, show_once: bool, by: User | None, address: str | None) -> None:
    """Records an event if this changes the project. Raises ProjectGone if the project was deleted."""
    lock_project(project)
    if not Project.objects.filter(pk=project.pk, show_once=not show_once).update(show_once=show_once):
        return
    kind = audit_kinds.SHOWN_ONCE if show_once else audit_kinds.SHOWN_AGAIN
    record(kind, project=project, by=by, address=address)


def show_secrets_once(
    *, project: Project, by: User | None, may_destroy: bool = True, address: str | None = None
) -> int:
    """From now on secrets are shown only at creation. Destroys the stored secrets for good, and returns their number.

    Raises ProjectGone if the project was deleted, and SecretsStored if there are stored secrets but not `may_destroy`.
    """
    with transaction.atomic():
        _choose_show_once(project, True, by, address)
        keys = list(project.api_keys.select_for_update(no_key=True).filter(ciphertext__isnull=False).order_by("pk"))
        if keys and not may_destroy:
            raise SecretsStored
        ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(ciphertext=None, ring_key_id="")
        for key in keys:
            record(audit_kinds.FORGOTTEN, project=project, key=key, by=by, address=address)
    project.show_once = True
    return len(keys)


def keep_secrets(*, project: Project, by: User | None, address: str | None = None) -> None:
    """Secrets of keys that are created from now on are stored. All owners get an email.

    Raises ProjectGone if the project was deleted.
    """
    with transaction.atomic():
        _choose_show_once(project, False, by, address)
    project.show_once = False


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
