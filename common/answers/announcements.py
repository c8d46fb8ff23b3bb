from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest


class AnnouncementStorage(CookieStorage):
    """Keeps announcements across a redirect in a signed cookie, which in production is bound to the host."""

    cookie_name = settings.MESSAGE_COOKIE_NAME


def announce(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """Says what happened, in the page's live region; `undo` is the address that a POST takes it back at.

    A page that follows a redirect and an htmx answer show it by the same template, announcements.html.
    """
    messages.success(request, text, extra_tags=undo)


def warn(request: HttpRequest, text: str) -> None:
    """Says why nothing happened."""
    messages.warning(request, text)
