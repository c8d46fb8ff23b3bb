"""Reports of leaked secrets over HTTP, and the parts of the answer that a reporter sees."""

import json
from typing import Any

from django.test import Client

from apikeys.models import ApiKey
from apikeys.secrets import secret_format
from tests.support.calls.api_client import API

REPORT = f"{API}/report"
FOUND_AT = "https://github.com/acme/weather/blob/main/.env#L3"
CANARY = secret_format.generate("lk_")
CODES = {400: "bad_request", 413: "request_too_large", 422: "invalid"}


def post(body: Any, path: str = REPORT, client: Client | None = None, **options: Any) -> Any:
    """Sends `body` unchanged if it is bytes, otherwise as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (client or Client()).post(path, raw, content_type="application/json", **options)


def row(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def seen(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    own = answer.headers["X-Request-Id"]
    headers = {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "Expires"}}
    return answer.status_code, answer.content.replace(own.encode(), b""), headers
