"""A Django API of your own that checks Latchkey's keys itself. docs/django.md says what each part is for."""

import os

from environs import env

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "example.urls"
USE_TZ = True

# Latchkey's tables, and the apps that know them
DATABASES = {"default": env.dj_db_url("DATABASE_URL", conn_max_age=60)}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "common.outbox",
    "accounts",
    "projects",
    "apikeys",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What the check reads. The values are Latchkey's own. There is no KEY_RING: this project recognises keys and
# cannot show them.
KEY_PEPPERS = os.environ["KEY_PEPPERS"]
KEY_PREFIX = "lk_"
TRUSTED_PROXIES = 0
FAILED_KEYS_PER_MINUTE = 60
USAGE_FLUSH_SECONDS = 1.0

# Only for Django REST framework
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apikeys.verify.integrations.rest_framework.ApiKeyAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
