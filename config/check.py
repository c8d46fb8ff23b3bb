"""The WSGI application of the check's own processes: `/api/v1/verify`, the health addresses and `/metrics`.

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

from django.conf import settings  # noqa: E402
from django.db import close_old_connections  # noqa: E402  Django has to be set up before

from apikeys.verify import gateway  # noqa: E402
from common import database_deadline  # noqa: E402
from common.client_address import peer_of  # noqa: E402
from common.metrics import shared_counts  # noqa: E402
from common.slow_clients.unread import read_to_the_end  # noqa: E402
from config.monitoring import health, metrics, readiness  # noqa: E402
from config.serving.spare_thread import Places  # noqa: E402

readiness.expected_migrations()
_places = Places(settings.THREADS) if settings.METRICS_TOKEN else None
_BUSY = "All checks of this process (THREADS) have been waiting for more than a second."


@read_to_the_end
def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    database_deadline.begin()
    path = environ["PATH_INFO"]
    if gateway.is_asked(path):
        return _check(environ, start_response)
    if path in health.STATES:
        return _health(environ, start_response)
    if metrics.is_asked(path):
        # Scrapers ask this port without a proxy. What they say about proxies is their own claim.
        return metrics.application(environ, start_response, address=peer_of(environ))
    return gateway.not_found(environ, start_response)


def begin_worker() -> None:
    """Our own server calls it in each worker."""
    shared_counts.begin("check")


def _check(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if _places is None:
        return gateway.application(environ, start_response)
    if not _places.take():
        return gateway.busy(environ, start_response, _BUSY)
    try:
        return gateway.application(environ, start_response)
    finally:
        _places.give_back()


def _health(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    # Django closes broken connections between its own requests only. No request here is Django's.
    close_old_connections()
    status, name, _ = health.STATES[environ["PATH_INFO"]]()
    body = json.dumps({"status": name}).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response("200 OK" if status == 200 else "503 Service Unavailable", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
