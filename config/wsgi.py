import os
import re
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()

from apikeys.verify import gateway  # noqa: E402
from common import database_deadline  # noqa: E402
from common.client_address import address_of, forwarded_protocol, peer_of  # noqa: E402  Django has to be set up before
from common.housekeeping import housekeeper  # noqa: E402
from common.metrics import shared_counts  # noqa: E402
from common.outbox import senders  # noqa: E402
from common.slow_clients.unread import read_to_the_end  # noqa: E402
from config.monitoring import readiness  # noqa: E402

# Where the check is served too, its processes answer scrapes for all.
_answers_scrapes = shared_counts.groups() == ["pages"]
if _answers_scrapes:
    from config.monitoring import metrics

readiness.expected_migrations()

# RFC 2046, 5.1.1, and as long as Django takes one.
_BOUNDARY = re.compile(r'(?i);\s*boundary\s*=\s*("[^"]{1,200}"|[^;"\s]{1,200})')
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


@read_to_the_end
def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Django, and the check too, for trying it out. Gateways ask the check's own processes (config/check.py)."""
    database_deadline.begin()
    if gateway.is_asked(environ["PATH_INFO"]):
        return gateway.application(environ, start_response)
    begin_worker()
    if _answers_scrapes and metrics.is_asked(environ["PATH_INFO"]):
        return metrics.application(environ, start_response, address=address_of(environ) or peer_of(environ))
    _forget_own_environment(environ)
    _simplify_content_type(environ)
    _leave_escaped_cookies_out(environ)
    _doubt_lists_of_protocols(environ)
    return _django(environ, start_response)


def begin_worker() -> None:
    """Starts the threads that share counts, send emails and do the housekeeping. Our own server calls it in each
    worker; with others, the first page does.
    """
    shared_counts.begin("pages")
    senders.start()
    housekeeper.start()


def _simplify_content_type(environ: dict[str, Any]) -> None:
    """Keeps media type and boundary. Everything that our pages and programs send is UTF-8, whatever the header tells.

    Django reads the other parameters before any middleware runs. It searches all of Python's codecs for `charset=hex`,
    raises for an extended parameter (RFC 2231) with an unknown encoding and puts its value into the message, and needs
    four times as long for twice as many semicolons.
    """
    media_type, semicolon, _ = environ.get("CONTENT_TYPE", "").partition(";")
    if semicolon:
        boundary = _BOUNDARY.search(environ["CONTENT_TYPE"])
        environ["CONTENT_TYPE"] = f"{media_type}; boundary={boundary[1]}" if boundary else media_type


def _leave_escaped_cookies_out(environ: dict[str, Any]) -> None:
    """Removes cookies with backslashes. None of ours has one, and Python may need four times as long to read twice as
    many (CVE-2024-7592).
    """
    cookies = environ.get("HTTP_COOKIE", "")
    if "\\" in cookies:
        environ["HTTP_COOKIE"] = ";".join(cookie for cookie in cookies.split(";") if "\\" not in cookie)


def _doubt_lists_of_protocols(environ: dict[str, Any]) -> None:
    """Replaces a list of protocols by one: Django believes the first entry, which a client may have written."""
    if "HTTP_X_FORWARDED_PROTO" in environ:
        environ["HTTP_X_FORWARDED_PROTO"] = forwarded_protocol(environ["HTTP_X_FORWARDED_PROTO"])


def _forget_own_environment(environ: dict[str, Any]) -> None:
    """Removes the server's environment, the key ring included, which granian puts into each request as CGI did.

    Otherwise it would be kept and shown as part of the request: in the session, where allauth stores a form that waits
    for a confirmation, and on Django's technical error page.
    """
    for name, value in _OWN_ENVIRONMENT.items():
        if environ.get(name) == value:
            del environ[name]
