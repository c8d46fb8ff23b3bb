"""The ids that a gateway or proxy gave a request, for the log: they lead from our lines to its own.

A client may have written them, so nothing is decided by them, and no answer repeats them. Our own id is `request_id`.
"""

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 128
_UNUSUAL = re.compile(r"[^0-9A-Za-z._:/+=@-]+")
# W3C Trace Context, 3.2: version, trace, parent and flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def gateway_ids(environ: Mapping[str, Any]) -> dict[str, str]:
    """`gateway_request_id` and `traceparent`, as far as the request has them."""
    found = {}
    if cleaned := _UNUSUAL.sub("", environ.get("HTTP_X_REQUEST_ID", "")[:LONGEST]):
        found["gateway_request_id"] = cleaned
    if _TRACEPARENT.fullmatch(traceparent := environ.get("HTTP_TRACEPARENT", "")):
        found["traceparent"] = traceparent
    return found
