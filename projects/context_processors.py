from typing import Any

from django.http import HttpRequest

from projects.models import Project

SWITCHER_LENGTH = 8


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The projects that the sidebar offers, newest first; evaluated only by a page that shows them."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {"switcher_projects": Project.objects.of(request.user)[:SWITCHER_LENGTH]}
