"""Tags that every template has without loading them."""

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from heroicons.templatetags import heroicons

from common.instants import in_words, read_words, time_left
from common.plurals import counted

register = template.Library()
register.filter(counted)

# An instant as `in_words` says it.
_INSTANT = re.compile(r"\b\d{1,2} [A-Z][a-z]{2,8} \d{4}, \d\d:\d\d UTC\b")
_BREAKS = re.compile(r"\s*\n\s*")
# A line break at the end of a tag, or beside a block, which browsers do not draw.
_IDLE_BREAKS = re.compile(r"\n(?=>|</?(?:tr|t[hd]|tbody|thead|div|p|ul|li|h[1-6]|section|form|fieldset)\b)")
# What all icons of a style have in common. main.css says it once.
_COMMON = re.compile(
    r' fill="(?:none|currentColor)"| stroke-width="1.5"| stroke="currentColor"'
    r'| stroke-linecap="round"| stroke-linejoin="round"| clip-rule="evenodd"| width="2[04]"| height="2[04]"'
    r"|\s*\n\s*| (?=/>)"
)


def _light(draw: Callable[..., str]) -> Callable[..., str]:
    """The library draws an icon anew wherever it stands, which took a tenth of a page's time and of its bytes."""

    @lru_cache(maxsize=256)
    def drawn(name: str, **attributes: str) -> str:
        return mark_safe(_COMMON.sub("", draw(name, **attributes)))  # noqa: S308  the library's markup

    return drawn


for _draw in (heroicons.heroicon_mini, heroicons.heroicon_outline):
    register.simple_tag(_light(_draw), name=_draw.__name__)


@register.simple_tag
@lru_cache(maxsize=64)
def sprite_icon(style: str, name: str, css_class: str = "") -> SafeString:
    """An icon of static/icons.svg, which browsers keep: every page has the sidebar, and every key a badge."""
    attributes = format_html(' class="{}"', css_class) if css_class else ""
    return format_html('<svg{} aria-hidden="true">{}</svg>', attributes, sprite_use(style, name))


@register.simple_tag
@lru_cache(maxsize=64)
def sprite_use(style: str, name: str) -> SafeString:
    return format_html('<use href="{}#{}-{}"/>', static("icons.svg"), style, name)


# How long a unit is, and its name for one and for several. The largest unit that is contained is said, alone.
_UNITS = [
    (timedelta(days=365), "year", "years"),
    (timedelta(days=30), "month", "months"),
    (timedelta(days=7), "week", "weeks"),
    (timedelta(days=1), "day", "days"),
    (timedelta(hours=1), "h", "h"),
    (timedelta(minutes=1), "min", "min"),
    (timedelta(seconds=1), "s", "s"),
]
_JUST_NOW = timedelta(seconds=5)


def how_long(span: timedelta) -> str:
    """`3 months`, `4 min`, `20 s`: one unit, rounded down, so that it never wraps."""
    for length, one, several in _UNITS:
        number = span // length
        if number:
            return f"{number} {one if number == 1 else several}"
    return "0 s"


def ago(at: datetime, now: datetime) -> str:
    """`just now`, `4 min ago`, `in 3 days`."""
    span = now - at
    if span < timedelta():
        return time_left(-span)
    return "just now" if span < _JUST_NOW else f"{how_long(span)} ago"


@register.simple_tag
def when(at: datetime) -> SafeString:
    """How long ago `at` was. The tooltip has the exact time in UTC; times.js says it in the reader's own time zone."""
    local = timezone.localtime(at)
    exact = date_format(local, "j F Y, H:i:s")
    told = ago(at, timezone.now())
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', local.isoformat(timespec="seconds"), exact, told)


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """`26 February 2027, 09:30 UTC`. times.js says it in the reader's own time zone, and the tooltip stays in UTC."""
    return with_moments(in_words(at))


@register.filter
def with_moments(text: object) -> SafeString:
    """`text`, escaped, with each instant in words as `moment` writes it."""
    return mark_safe(_INSTANT.sub(_as_time, conditional_escape(str(text))))  # noqa: S308  escaped


def _as_time(found: re.Match[str]) -> str:
    words = found[0]
    try:
        at = read_words(words)
    except ValueError:
        return words
    return format_html('<time datetime="{}" title="{}" data-clock="exact">{}</time>', at.isoformat(), words, words)


@register.simple_tag
def since(at: datetime) -> SafeString:
    """The moment as people name it after "since": `14:02 UTC today`, `14:02 UTC yesterday`, `14:02 UTC on 26 November`,
    with the year unless that is this year. times.js says it in the reader's own time zone.
    """
    local, now = timezone.localtime(at), timezone.localtime()
    day = {0: "today", 1: "yesterday"}.get((now.date() - local.date()).days)
    on = day or "on " + date_format(local, "j F" if local.year == now.year else "j F Y")
    return format_html(
        '<time datetime="{}" title="{} UTC" data-clock="since">{} UTC {}</time>',
        local.isoformat(timespec="seconds"),
        date_format(local, "j F Y, H:i:s"),
        date_format(local, "H:i"),
        on,
    )


@register.simple_tag
def until(at: datetime) -> SafeString:
    """`until 14:05 UTC (in 4 minutes)`, with the day unless that is today. times.js says the time in the reader's own
    time zone, and counts down.
    """
    local, now = timezone.localtime(at), timezone.localtime()
    clock = "H:i" if local.date() == now.date() else "j M, H:i" if local.year == now.year else "j M Y, H:i"
    return format_html(
        'until <time datetime="{}" title="{} UTC" data-clock>{} UTC</time> <span data-left="{}">({})</span>',
        local.isoformat(),
        date_format(local, "j F Y, H:i:s"),
        date_format(local, clock),
        max(1, math.ceil((at - now).total_seconds())),
        ago(at, now),
    )


@register.simple_block_tag
def compact(content: str) -> SafeString:
    """The content of a template without indentation and idle line breaks, which are a tenth of a list."""
    return mark_safe(_IDLE_BREAKS.sub("", _BREAKS.sub("\n", content)))  # noqa: S308  rendered, and so escaped


@register.filter
def backticks(text: str) -> SafeString:
    """`text`, escaped, with what stands between backticks as code."""
    parts = conditional_escape(text).split("`")
    return mark_safe("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))  # noqa: S308  escaped above
