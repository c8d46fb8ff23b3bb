"""How pages tell of a key and its requests."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from accounts import requests as form_requests
from apikeys.keys.secret_storage import destroyed_at
from apikeys.models import ApiKey
from apikeys.standing import Standing
from apikeys.usage.callers import Callers
from apikeys.usage.figures import Calls, total
from common.instants import time_left
from common.page_tags import moment, when
from common.plurals import counted
from projects.permissions import Permission

register = template.Library()

# What an advice calls the pages that help, with the permission to use them.
_WAYS_OUT = (
    ("Take this key over", Permission.HAND_OVER_KEYS, "apikeys:hand_over"),
    ("roll it", Permission.MANAGE_KEYS, "apikeys:roll"),
    ("Roll it", Permission.MANAGE_KEYS, "apikeys:roll"),
)
_HEIGHT = 24
_LEAST_HEIGHT = 3  # a single request beside a busy day is still seen
_LISTED = 3  # addresses on one line
_STEP = 4  # a day's width; main.css leaves the last quarter empty, so that each day is a bar


@register.filter
def pause_seen(key: ApiKey) -> str:
    """Which pause a button saw, as pages/lifetimes/seen.py reads it."""
    return f"{'reported@' if key.is_reported else ''}{key.paused_at.isoformat() if key.paused_at else ''}"


@register.filter
def requests(number: int, kind: str = "") -> str:
    """`1 request`, `1,204 requests`; with a kind `1,204 rejected requests`."""
    return counted(number, f"{kind} request".strip())


@register.filter
def in_words(calls: Calls) -> str:
    """All requests, and how many of them were rejected: `1,204 requests`, `1,204 requests (3 rejected)`."""
    if calls.refused == calls.all:
        return requests(calls.all, "rejected" if calls.all else "")
    return requests(calls.all) + (f" ({counted(calls.refused)} rejected)" if calls.refused else "")


@register.filter
def from_address(address: str | None) -> str:
    """` from 192.0.2.7`, to stand behind a moment; nothing where the address is not known."""
    return f" from {address}" if address else ""


@register.filter
def addresses(callers: Callers) -> str:
    """`1 address`, `2 addresses`; `at least 50 addresses` if others were counted together."""
    words = counted(len(callers.rows), "address")
    return f"at least {words}" if callers.is_incomplete else words


@register.filter
def listed(callers: Callers) -> SafeString:
    """The last addresses on one line: `198.51.100.7 (412 requests, 20 s ago), 2001:db8::/64 (3 requests, 2 h ago)`."""
    each = ((caller.address, requests(caller.calls), when(caller.last_at)) for caller in callers.rows[:_LISTED])
    line = format_html_join(", ", "<code>{}</code> ({}, {})", each)
    more = len(callers.rows) - _LISTED
    return format_html("{} and {} more", line, counted(more)) if more > 0 else line


@register.filter
def people(key: ApiKey) -> str:
    """`Created 3 November 2026 by ada@example.com`, and who is responsible if that is somebody else."""
    made = f"Created {key.created_at.day} {key.created_at:%B %Y} by {key.created_by.with_name}"
    return f"{made}, responsible: {key.responsible.with_name}" if key.is_handed_over else made


@register.simple_tag
def end_of(key: ApiKey) -> str:
    """When a key ends, or ended: `26 February 2027, 09:30 UTC (in 90 days)`, `Never`. It names the rule of quiet."""
    at, now = key.expires_at, timezone.now()
    if at is None:
        return "Never"
    return (
        moment(at) if key.is_expired else format_html("{} ({}{})", moment(at), time_left(at - now), key.or_when_quiet)
    )


@register.filter
def left(at: datetime) -> str:
    """`in 3 days`, as forms and emails say it."""
    return time_left(at - timezone.now())


@register.simple_tag(takes_context=True)
def advice(context: dict[str, Any], standing: Standing, key: ApiKey) -> str:
    """What to do about a key; a person who may do it gets links to the forms. Takes `project` and `can`."""
    text = standing.advice
    for words, permission, page in _WAYS_OUT:
        if permission in context["can"]:
            text = _linked(text, words, reverse(page, args=[context["project"].public_id, key.public_id]))
    return text


@register.simple_tag
def why_not_stored(key: ApiKey) -> str:
    """What became of a secret that nobody can read."""
    if at := destroyed_at(key):
        return format_html("The secret was stored until {}. Then Stop storing secrets destroyed it.", moment(at))
    return "The secret was shown once, when the key was created. It is not stored."


def _linked(text: str, words: str, address: str) -> str:
    """The text, where these words, if it has them, are a link."""
    before, found, after = text.partition(words)
    if not found:
        return text
    # The text may have a link already. Nothing in it is what a person wrote.
    return format_html('{}<a href="{}">{}</a>{}', mark_safe(before), address, found, mark_safe(after))  # noqa: S308


@register.simple_tag
@lru_cache(maxsize=4)
def today(day: datetime) -> SafeString:
    """The word, with the day of UTC as its tooltip. Every row of a list says it."""
    title = f"{day.day} {day:%B %Y} (UTC)"
    return format_html('<span title="{}">today</span>', title)


@register.simple_tag
def sparkline(days: Sequence[Calls]) -> SafeString:
    """A bar for each day's requests, the tallest as high as there is room; nothing where there was none. Its label says
    what the row does not say beside it.
    """
    numbers = [day.all for day in days]
    refused = total(days).refused
    rejected = f"{counted(refused)} rejected, " if refused else ""
    most = max(numbers)
    if not most:
        return SafeString()
    heights = [max(_LEAST_HEIGHT, round(calls / most * _HEIGHT)) if calls else 0 for calls in numbers]
    # The outline of all bars is the shortest path. Neighbours of one height are one step of it.
    steps = "".join(f"V{_HEIGHT - height}h{_STEP * len(list(run))}" for height, run in groupby(heights))
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" role="img" aria-label="{}"><path d="M0 {}{}V{}z"/></svg>',
        len(days) * _STEP - 1,
        _HEIGHT,
        f"{rejected}{counted(most)} on the busiest day",
        _HEIGHT,
        steps,
        _HEIGHT,
    )


@register.simple_tag(takes_context=True)
def page_before_form(context: Context) -> str:
    """The page of a list or of the key that led to a form's own page; "" for any other."""
    project, key = context["project"], context.get("key")
    pages = {reverse(name, args=[project.public_id]) for name in ("apikeys:settings", "projects:members")}
    if key:
        pages.add(reverse("apikeys:key", args=[project.public_id, key.public_id]))
    page = form_requests.page_before_form(context["request"])
    return page if page.partition("?")[0] in pages else ""
