from django.contrib import messages
from django.http import HttpRequest


def announce(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """Says what happened, in the page's live region; `undo` is the address that a POST takes it back at.

    A page that follows a redirect and an htmx answer show it by the same template, announcements.html.
    """
    messages.success(request, text, extra_tags=undo)


def warn(request: HttpRequest, text: str) -> None:
    """Says why nothing happened."""
    messages.warning(request, text)
