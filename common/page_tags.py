"""Tags that every template has without loading them."""

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
def when(at: datetime) -> SafeString:
    """How long ago `at` was. The tooltip has the exact time in UTC."""
    local = timezone.localtime(at)
    exact = date_format(local, "j F Y, H:i:s")
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', local.isoformat(), exact, naturaltime(at))


@register.filter
def backticks(text: str) -> SafeString:
    """`text`, escaped, with what stands between backticks as code."""
    parts = conditional_escape(text).split("`")
    return mark_safe("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))  # noqa: S308  escaped above
