from django.apps import AppConfig


class LatchkeyConfig(AppConfig):
    """Connects what only the whole product needs; projects that embed the check have other apps."""

    name = "config"

    def ready(self) -> None:
        from accounts import security_events as _accounts  # noqa: F401  registers receivers
        from config import admin_events as _admin  # noqa: F401
        from projects import security_events as _projects  # noqa: F401
