"""The settings of the check's own processes: those of the pages, without what only pages need."""

from config.settings import *  # noqa: F403  Every setting is the same setting, under the same name.

# The tables that the check reads and writes. No sign-in, no admin, no forms, no templates.
INSTALLED_APPS = [
    "apikeys.apps.CheckConfig",
    "projects",
    "accounts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
MIDDLEWARE = []
TEMPLATES = []
