"""Django's own sessions, as an earlier release stored them. They ignore `note_use` of the current middleware."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def note_use(self) -> None:
        pass
