from importlib import import_module

from allauth.usersessions.apps import UserSessionsConfig


class SessionList(UserSessionsConfig):  # type: ignore[misc]  # allauth ships no types
    """Registers allauth's table only. allauth's receivers and page would store each session's id, the cookie."""

    def ready(self) -> None:
        import_module("accounts.sessions.session_list")
