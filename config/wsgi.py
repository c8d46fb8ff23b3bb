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
# PEP 3333 wants them in every request.
_DEMANDED = {
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
}
_OWN_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in _DEMANDED}


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """The check that gateways ask for, and Django for all the rest.

    Django would take the encoding of query and body from the request. It looks the name up among all of
    Python's codecs, so `charset=hex` raised before any middleware; all that our pages and programs send is
    UTF-8, whatever it says.
    """
    patience.begin()
    if environ["PATH_INFO"] == _VERIFY and _came_over_https(environ):
        return gateway.application(environ, start_response)
    _forget_own_environment(environ)
    if "charset" in environ.get("CONTENT_TYPE", "").lower():
        environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
    return _django(environ, start_response)


def _forget_own_environment(environ: dict[str, Any]) -> None:
    """Takes out what granian, as CGI did, puts into each request of the server's environment, the key ring with it.

    It would pass for the request's own, and be kept and shown as such: in the session, where allauth keeps a form that
    waits for a confirmation, and on Django's technical error page.
    """
    for name, value in _OWN_ENVIRONMENT.items():
        if environ.get(name) == value:
            del environ[name]


def _came_over_https(environ: dict[str, Any]) -> bool:
    """Whether it is certain, where it is demanded; Django's middleware judges, and refuses, the other requests."""
    if not settings.SECURE_SSL_REDIRECT:
        return True
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return bool(environ.get(name) == value)
    return bool(environ["wsgi.url_scheme"] == "https")
