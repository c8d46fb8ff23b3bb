"""Hostile requests, and a check that the answer to each one is harmless."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

WORDS = [
    "\x00",
    "a\x00b",
    "x" * 10_000,
    "9" * 5_000,
    "99999999999999999999",
    "-1",
    "0",
    "1e309",
    "NaN",
    "٣",
    "true",
    "[]",
    "' OR 1=1 --",
    "%s%(x)s%n",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "\r\nX-Evil: 1",
    "//evil.example/",
    "///evil.example/",
    "https://evil.example/",
    "https:evil.example",
    "/\\evil.example/",
    "\\\\evil.example",
    "http://[::1",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\ufffd",
    "\uffff",
]
# Raw text in an address or a body: broken UTF-8 (overlong, a surrogate, cut short) and broken escapes.
RAW = ["%FF", "%C0%AF", "%ED%A0%80", "%F0%9F", "%00", "a%00b", "%", "%zz", "%u0041", "%F4%90%80%80"]
SENT = [quote(word, safe="") for word in WORDS] + RAW


def assert_harmless(answer: Any, what: Any = "") -> None:
    """Not a 5xx, no header that the sender wrote, and redirects only to our own pages."""
    assert answer.status_code < 500, what
    assert "X-Evil" not in answer.headers, what
    if location := answer.headers.get("Location") or answer.headers.get("HX-Redirect"):
        # A relative redirect also stays on our server. A browser reads \\ as / and ignores control characters.
        assert not re.match(r"[\x00-\x20]*[/\\]{2}", location), (what, location)
        assert urlsplit(location)[:2] == ("", ""), (what, location)
