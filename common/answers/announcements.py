from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest


class AnnouncementStorage(CookieStorage):
    """Keeps announcements across a redirect in a signed cookie. In production the cookie is bound to the host."""

    cookie_name = settings.MESSAGE_COOKIE_NAME


def announce(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """Tells what happened in the page's live region; `undo` is the address whose POST undoes it.

    A page that follows a redirect and an htmx answer use the same template, announcements.html.
    """
    messages.success(request, text, extra_tags=undo)


def warn(request: HttpRequest, text: str) -> None:
    """Tells why nothing happened."""
    messages.warning(request, text)
