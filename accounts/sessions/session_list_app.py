from importlib import import_module

from allauth.usersessions.apps import UserSessionsConfig


class SessionList(UserSessionsConfig):  # type: ignore[misc]  # allauth ships no types
    """allauth's app for its table alone: its own receivers and page would keep each session's id, the cookie."""

    def ready(self) -> None:
        import_module("accounts.sessions.session_list")
