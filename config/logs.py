"""Structured logs: one line for each event, with the ids of request, user and key, and never a secret."""

import logging
import re
import sys
from typing import Any

import structlog

from common.outages import OUTAGES, words
from config.environment.variables import PRODUCTION, flag, log_level

# Text in a line that could be a secret is masked, whichever library wrote it; also without its prefix or its checksum,
# because both can be computed. Hardly anything else that we log has 30 letters and digits in a row.
# The exceptions are hexadecimal ids of gateways (common/gateway_ids.py). No secret is written in hexadecimal digits.
_GATEWAY_IDS = r"(?:gateway_request_id|traceparent)\W{1,5}[0-9a-f-]{32,55}(?![0-9A-Za-z])"
_SECRET = re.compile(rf"({_GATEWAY_IDS})|([0-9A-Za-z]{{4}})[0-9A-Za-z]{{22,}}([0-9A-Za-z]{{4}})")
# The address of an invitation is its secret, whatever a client makes of it.
_INVITATION = re.compile(r"(?<!prj_[0-9A-Za-z]{16})(/invitations/)(?!accept/|ask/|switch-account/)[^/\s\"'?:]+")
# The provider of single sign-on sends people back with a code in the query. No other page of ours takes these
# parameters either, so a line never needs their values.
_CALLBACK = re.compile(r"(/single-sign-on/callback/*)\?[^\s\"]*", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&](?:code|state|token|[a-z]+_token|session_state)=)[^&\s\"]+", re.IGNORECASE)


def without_secret_query(address: str) -> str:
    return _PARAMETER.sub(r"\1••••••••", _CALLBACK.sub(r"\1", address))


def _masked(found: re.Match[str]) -> str:
    return found[1] or f"{found[2]}••••••••{found[3]}"


def mask_secrets(logger: Any, method: str, line: str) -> str:
    """The last step, on the finished line, so that every part of the line passes through it."""
    return _SECRET.sub(_masked, _INVITATION.sub(r"\1••••••••", without_secret_query(line)))


def one_line_a_request(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event.get("event") in {"request_started", "streaming_started", "streaming_finished"}:
        raise structlog.DropEvent
    if isinstance(address := event.get("request"), str):
        event["request"] = without_secret_query(address)
    # The line `more_refused` counts it, or the line `stopping` has said it.
    if event.pop("is_told_elsewhere", False):
        raise structlog.DropEvent
    # A page that waits for a key's first request asks again and again. Only the final answer is worth a line.
    if event.get("status") == 204 and str(event.get("request")).endswith("/first-request/"):
        raise structlog.DropEvent
    return event


def one_line_an_outage(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A request that fails with 503 because its database or key ring is away gets one line with the reason, and no
    traceback.
    """
    error = event.get("exc_info")
    error = sys.exc_info()[1] if error is True else error
    if isinstance(error, OUTAGES):
        event.update(exc_info=None, error=words(error))
        if "status" in event:
            event["status"] = 503  # what config/errors.py answers, and the library does not know yet
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]

structlog.configure(
    processors=[
        one_line_a_request,
        one_line_an_outage,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

_RENDERER: structlog.typing.Processor = (
    structlog.processors.JSONRenderer()
    if flag("LOG_JSON", PRODUCTION)
    else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERER, mask_secrets],
            "foreign_pre_chain": _SHARED,
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": log_level("LOG_LEVEL", logging.INFO)},
    "loggers": {
        # django-structlog's line about the request has all of it.
        "django.request": {"level": logging.CRITICAL},
        "django.server": {"level": logging.WARNING},
        # Scanners send foreign Host headers all day, and parameters that the admin refuses. Each is answered 400, and
        # config/errors.py writes one line without a traceback.
        "django.security": {"level": logging.CRITICAL},
        # The line csrf_refused has it, with address and account.
        "django.security.csrf": {"level": logging.CRITICAL},
    },
}
