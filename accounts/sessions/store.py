"""Sessions that nobody can use or read with the database alone.

The table holds a digest of a session's id instead of the id, which is the cookie. The session's data is encrypted and
bound to that digest: emailed codes, seeds of apps that are being set up, forms that wait for a confirmation.

A session ends SESSION_COOKIE_AGE after its data was last saved, and earlier if nobody uses it for SESSION_IDLE_SECONDS.
`expire_date` is the earlier of the two.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from common import encryption

logger = structlog.get_logger(__name__)

ID_LENGTH = 32
_ID = re.compile(rf"[{VALID_KEY_CHARS}]{{{ID_LENGTH}}}")
# No id holds a dot, so a digest that was read from the table is never accepted as a cookie.
_DIGEST = "sha256."
_SEALED = "v1."
# The key of a time in the session's data. After that time, use no longer extends the session.
_ENDS_AT = "_ends_at"
# While the limit runs, a session in use is written this many times. Every other request only reads it.
_WRITES_PER_LIMIT = 24


def digest_of(session_id: str) -> str:
    """The value that the tables hold instead of the id: the prefix and 192 bits, which fit into Django's 40 characters.

    A fast hash is enough, because an id is 165 random bits.
    """
    return _DIGEST + urlsafe_b64encode(sha256(session_id.encode()).digest()[:24]).decode()


@sensitive_variables()
def seal(data: dict[str, Any], digest: str) -> str:
    """The session's data, encrypted for the row with that digest."""
    plain = import_string(settings.SESSION_SERIALIZER)().dumps(data)
    sealed = encryption.encrypt(_data_key(settings.SECRET_KEY), plain, digest.encode())
    return _SEALED + urlsafe_b64encode(sealed).decode()


@sensitive_variables()
def data_of(row: Session) -> dict[str, Any]:
    """The data of a session's row; {} if the row was changed or its data belongs to another row, as in Django."""

    def read(secret_key: str | bytes) -> bytes:
        sealed = urlsafe_b64decode(row.session_data.removeprefix(_SEALED))
        return encryption.decrypt(_data_key(secret_key), sealed, row.session_key.encode())

    plain = encryption.with_any_secret_key(read, encryption.CiphertextRefused, ValueError)
    if plain is None:
        logger.warning("session_data_refused")
        return {}
    data: dict[str, Any] = import_string(settings.SESSION_SERIALIZER)().loads(plain)
    return data


def _data_key(secret_key: str | bytes) -> bytes:
    """Derived from SECRET_KEY instead of KEY_RING, because sessions must work without the ring, and end with SECRET_KEY
    anyway.
    """
    return encryption.derived_key(secret_key, b"latchkey session data v1")


class SessionStore(db.SessionStore):
    """Django's store, with digests and sealed data in the table. `session_key` is the id, as everywhere in Django."""

    # The methods below have no asynchronous twins, and Django's own twins would store the id.
    aexists, aload, asave, adelete = SessionBase.aexists, SessionBase.aload, SessionBase.asave, SessionBase.adelete

    _row_ends: datetime | None = None  # `expire_date` of the row that was loaded

    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and _ID.fullmatch(key) is not None

    def _get_new_session_key(self) -> str:
        """Does not look at the table, because `create` inserts the row and fails if the row exists."""
        return get_random_string(ID_LENGTH, VALID_KEY_CHARS)

    def load(self) -> dict[str, Any]:
        if self.session_key is None:
            return {}
        row = _row(digest_of(self.session_key))
        if row is None:
            self._session_key = None
            return {}
        self._row_ends = row.expire_date
        return data_of(row)

    def note_use(self) -> None:
        """Extends the session because it is in use, at most 24 times in SESSION_IDLE_SECONDS."""
        ends_at, row_ends = self.get(_ENDS_AT), self._row_ends
        if ends_at is None or row_ends is None:
            return
        new_end = _end_of_use(datetime.fromtimestamp(ends_at, UTC))
        if new_end - row_ends >= timedelta(seconds=settings.SESSION_IDLE_SECONDS / _WRITES_PER_LIMIT):
            row = Session.objects.filter(pk=digest_of(str(self.session_key)), expire_date=row_ends)
            row.update(expire_date=new_end)
            self._row_ends = new_end

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(pk=digest_of(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        digest = digest_of(str(self.session_key))  # `save` has set it
        ends_at = self.get_expiry_date()
        sealed = seal(data | {_ENDS_AT: ends_at.timestamp()}, digest)
        return Session(session_key=digest, session_data=sealed, expire_date=_end_of_use(ends_at))

    def cycle_key(self) -> None:
        """Also changes the list of sessions, because Django gives a session a new id when SECRET_KEY was replaced."""
        before = self.session_key
        super().cycle_key()
        if before:
            listed = UserSession.objects.filter(session_key=digest_of(before))
            listed.update(session_key=digest_of(str(self.session_key)))

    def delete(self, session_key: str | None = None) -> None:
        session_id = session_key or self.session_key
        if session_id:
            Session.objects.filter(pk=digest_of(session_id)).delete()


def _end_of_use(ends_at: datetime) -> datetime:
    """When a session ends if nobody uses it after now."""
    return min(ends_at, timezone.now() + timedelta(seconds=settings.SESSION_IDLE_SECONDS))


def alive() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__gt=timezone.now())


def _row(stored_id: str) -> Session | None:
    """Does not use `first`, which sorts, because every page runs this query."""
    return next(iter(alive().filter(pk=stored_id)), None)
