"""One Django project for all peers. Each has its own URL (urls.py).

The project has no middleware, no debugging and persistent connections, which is Django at its fastest. Django REST
framework, django-rest-knox and djangorestframework-api-key keep their documented defaults.
"""

from environs import Env

SECRET_KEY = "of a server that lives for minutes, on this machine alone"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.peers.urls"
MIDDLEWARE: list[str] = []
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_api_key",
    "knox",
]
DATABASES = {"default": Env().dj_db_url("DATABASE_URL", conn_max_age=None)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
USE_TZ = True
