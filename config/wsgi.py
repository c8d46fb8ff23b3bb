import os
import re
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()

from django.conf import settings  # noqa: E402  Django has to be set up before
from django.urls import reverse  # noqa: E402

from apikeys import gateway, patience  # noqa: E402

_CHARSET = re.compile(r"(?i);\s*charset\s*=[^;]*")
_VERIFY = reverse("verify")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """The check that gateways ask for, and Django for all the rest.

    Django would take the encoding of query and body from the request. It looks the name up among all of
    Python's codecs, so `charset=hex` raised before any middleware; all that our pages and programs send is
    UTF-8, whatever it says.
    """
    patience.begin()
    if environ["PATH_INFO"] == _VERIFY and _came_over_https(environ):
        return gateway.application(environ, start_response)
    if "charset" in environ.get("CONTENT_TYPE", "").lower():
        environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
    return _django(environ, start_response)


def _came_over_https(environ: dict[str, Any]) -> bool:
    """Whether it is certain, where it is demanded; Django's middleware judges, and refuses, the other requests."""
    if not settings.SECURE_SSL_REDIRECT:
        return True
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return bool(environ.get(name) == value)
    return bool(environ["wsgi.url_scheme"] == "https")
