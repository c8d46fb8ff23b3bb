"""Addresses of pages, and the words on them."""

import html
import re
from typing import Any

from django.urls import reverse

from apikeys.models import ApiKey

HTMX = {"HX-Request": "true"}
FETCH = {"Accept": "application/json"}
ACTIONS = ["pause", "resume", "copy", "reveal", "delete"]


def page(name: str, *ids: Any) -> str:
    return reverse(name, args=[thing.public_id for thing in ids])


def action(name: str, key: ApiKey) -> str:
    return page(f"apikeys:{name}", key.project, key)


def text(answer: Any) -> str:
    """The words of an answer, as a person reads them."""
    # A time of day stands in a sentence.
    content = re.sub(r"<time[^>]* data-clock=[^>]*>(.*?)</time>", r"\1", answer.content.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())
