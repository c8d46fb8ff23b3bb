"""The limit: the least work for a check of a key. A digest and one prepared lookup, without a framework."""

import hmac
import os
import threading
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

_PEPPER = b64decode(Path(os.environ["DATA_DIR"], "secrets", "key_peppers").read_text().partition(":")[2])
_LOOKUP = """
SELECT k.id, k.state, k.public_id, p.public_id, p.deleted_at, u.public_id, u.is_active
FROM apikeys_apikey k
JOIN projects_project p ON p.id = k.project_id
JOIN accounts_user u ON u.id = k.created_by_id
WHERE k.digest = %b
"""
_of_thread = threading.local()


def _connection() -> psycopg.Connection[Any]:
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection: psycopg.Connection[Any] = _of_thread.connection
    return connection


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    secret = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    digest = hmac.digest(_PEPPER, secret.encode(), "sha256")
    row = _connection().cursor(binary=True).execute(_LOOKUP, [digest], prepare=True).fetchone()
    if row is None or row[1] != "active" or row[4] is not None or not row[6]:
        start_response("401 Unauthorized", [])
        return [b""]
    headers = [("X-Latchkey-Key", row[2]), ("X-Latchkey-Project", row[3]), ("X-Latchkey-User", row[5])]
    start_response("204 No Content", headers)
    return [b""]
