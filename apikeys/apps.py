from django.apps import AppConfig


class ApikeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"
    default = True

    def ready(self) -> None:
        from apikeys import checks  # noqa: F401  registers them
        from apikeys.keys import deactivation, receivers  # noqa: F401  registers them


class CheckConfig(AppConfig):
    """For processes that only check keys (config/check_settings.py): the tables, without what the pages do."""

    name = "apikeys"
