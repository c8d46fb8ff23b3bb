"""Header in, verdict out: the one rule that decides for the API and for `/verify`.

One indexed query, no ORM objects, nothing cached: a pause or a delete holds for every check that starts
after its answer. This module never writes to the database.
"""

import re
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from apikeys import secret_format, usage, vault
from apikeys.models import ApiKey, KeyState
from projects.models import Project

# RFC 6750, 2.1: the scheme, in any case (RFC 9110, 11.1), a space and the token; a token of ours is alphanumeric.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([0-9A-Za-z_]{1,64})")

_LOOKUP = f"""
SELECT k.id, k.state, k.public_id, k.name,
       p.id, p.public_id, p.name, p.deleted_at,
       u.id, u.public_id, u.email, u.is_active
FROM {ApiKey._meta.db_table} k
JOIN {Project._meta.db_table} p ON p.id = k.project_id
JOIN {User._meta.db_table} u ON u.id = k.created_by_id
WHERE k.digest IN ({{placeholders}})
"""  # noqa: S608  the names come from the models


class Identity(NamedTuple):
    """Whose request it is: the key, its project and the user who created the key."""

    key_pk: int
    key_id: str
    key_name: str
    project_pk: int
    project_id: str
    project_name: str
    user_pk: int
    user_id: str
    user_email: str


class Verdict(NamedTuple):
    """`identity` if the request may pass, else the `code` that refuses it (the table in docs/api.md)."""

    identity: Identity | None
    code: str | None = None


def _refused(code: str) -> Verdict:
    return Verdict(None, code)


@sensitive_variables()
def verify(authorization: str | None, address: str | None = None) -> Verdict:
    """Decides on the value of an Authorization header, None if the request has none.

    `address` is remembered as the key's last. Costs one query, none for what cannot be a secret.
    A database that cannot be asked is the refusal `unavailable`, never an exception.
    """
    if authorization is None:
        return _refused("key_missing")
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None or not secret_format.is_well_formed(bearer[1], settings.KEY_PREFIX):
        return _refused("key_malformed")
    digests = vault.digests(bearer[1])
    if not digests:
        return _refused("unavailable")
    sql = _LOOKUP.format(placeholders=", ".join(["%s"] * len(digests)))
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, digests)
            row = cursor.fetchone()
    except (OperationalError, InterfaceError):
        return _refused("unavailable")
    return _judge(row, address)


def _judge(row: tuple | None, address: str | None) -> Verdict:  # type: ignore[type-arg]
    if row is None:
        return _refused("key_unknown")
    (key_pk, state, key_id, key_name, project_pk, project_id, project_name, project_deleted_at, *creator) = row
    user_pk, user_id, user_email, user_is_active = creator
    if state == KeyState.DELETED or project_deleted_at is not None:
        return _refused("key_deleted")
    if state == KeyState.PAUSED:
        return _refused("key_paused")
    if state != KeyState.ACTIVE or not user_is_active:
        return _refused("forbidden")
    usage.record(key_pk, timezone.now(), address)
    return Verdict(
        Identity(key_pk, key_id, key_name, project_pk, project_id, project_name, user_pk, user_id, user_email)
    )
