import re
from typing import Any

from django.http import HttpRequest

from accounts.requests import page_that_asked
from projects.models import Project

SWITCHER_LENGTH = 8
# The entry of the sidebar under which a page of a project stands, by the first part of its address after the project.
_ENTRIES = {
    "": "apikeys:dashboard",
    "start": "apikeys:dashboard",
    "usage": "apikeys:usage",
    "activity": "apikeys:activity",
    "members": "projects:members",
    "invitations": "projects:members",
    "settings": "apikeys:settings",
    "keys": "apikeys:settings",
    "show-once": "apikeys:settings",
    "keep-secrets": "apikeys:settings",
    "mails": "apikeys:settings",
    "delete": "apikeys:settings",
}
_PLACE = re.compile(r"/projects/prj_[0-9A-Za-z]{16}/([^/.]*)")
_PROJECT_ID = re.compile(r"\bprj_[0-9A-Za-z]{16}\b")


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The context of the sidebar. Each part is evaluated only by a page that shows it."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {
        "switcher_projects": Project.objects.of(request.user).told_apart(request.user).by_name()[:SWITCHER_LENGTH],
        "project_at_hand": lambda: project_at_hand(request),
        "menu_entry": menu_entry(request.path),
    }


def menu_entry(path: str) -> str:
    """The view of the sidebar's entry under which the page at `path` stands; "" for a page of no project."""
    place = _PLACE.match(path)
    return _ENTRIES.get(place[1], "") if place else ""


def project_of_address(request: HttpRequest) -> Project | None:
    """The project of theirs that a person's address names. For error pages, to which no view has given it."""
    match, user = request.resolver_match, getattr(request, "user", None)
    if match is None or "project_id" not in match.kwargs or user is None or not user.is_authenticated:
        return None
    return Project.objects.of(user).filter(public_id=match.kwargs["project_id"]).first()


def project_at_hand(request: HttpRequest) -> Project | None:
    """The project of a person who now reads Help, the API reference or a page of the account.

    The address names it, or the page that led here. A person with only one project is always in it. Nothing is stored
    in a cookie or a session.
    """
    match = request.resolver_match
    if match is None or "project_id" in match.kwargs:
        return None
    # Of this app's pages, one belongs to the account.
    if match.app_name == "projects" and match.url_name != "notifications":
        return None
    projects = Project.objects.of(request.user)  # type: ignore[arg-type]  # callers have checked that it is a user
    if named := _PROJECT_ID.search(request.GET.get("project", "")) or _PROJECT_ID.search(page_that_asked(request)):
        return projects.filter(public_id=named[0]).first()
    found = list(projects[:2])
    return found[0] if len(found) == 1 else None
