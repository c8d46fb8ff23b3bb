"""One Django project for all peers: every one has a URL of its own (urls.py).

No middleware and no debugging, connections that stay open: Django at its quickest. Django REST framework,
django-rest-knox and djangorestframework-api-key keep the defaults that they document.
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
