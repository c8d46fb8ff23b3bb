"""The WSGI application of the check's own processes: `/api/v1/verify` and the health addresses, nothing else.

These processes share only the database with the pages, so that no load on pages or API slows the check. They load no
page, no form and no template (config/check_settings.py).
"""

import json
import os
from collections.abc import Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.check_settings")
django.setup(set_prefix=False)

from django.db import close_old_connections  # noqa: E402  Django has to be set up before

from apikeys.verify import gateway  # noqa: E402
from common import database_deadline  # noqa: E402
from common.slow_clients.unread import read_to_the_end  # noqa: E402
from config.serving import health, readiness  # noqa: E402

readiness.expected_migrations()


@read_to_the_end
def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    database_deadline.begin()
    path = environ["PATH_INFO"]
    if gateway.is_asked(path):
        return gateway.application(environ, start_response)
    if path in health.STATES:
        return _health(environ, start_response)
    return gateway.not_found(environ, start_response)


def _health(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    # Django closes broken connections between its own requests only. No request here is Django's.
    close_old_connections()
    status, state = health.STATES[environ["PATH_INFO"]]()
    body = json.dumps({"status": state}).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response("200 OK" if status == 200 else "503 Service Unavailable", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
