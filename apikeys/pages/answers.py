"""The answer to an action on a key: a partial for htmx, a redirect for a browser without script."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.requests import PageRequest, page_that_asked, path_that_asked
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.models import ApiKey
from apikeys.pages.project import keys_context, row_address
from apikeys.usage.figures import with_figures
from common.answers.announcements import warn
from projects.access import rights
from projects.models import Project

# The values of `next`: the page whose form was sent, if it is not the settings page.
FORMS_OF_PAGES = {"dashboard", "onboarding", "create", "key"}


def find_key(project: Project, key_id: str) -> ApiKey:
    """Deleted keys too: a member whose page shows a key that was just deleted is told so."""
    key: ApiKey = get_object_or_404(project.api_keys.select_related("responsible", "creator"), public_id=key_id)
    return key


def key_address(project: Project, key: ApiKey) -> str:
    return reverse("apikeys:key", args=[project.public_id, key.public_id])


def wants_partial(request: PageRequest) -> bool:
    """Whether the page that asked has the list of keys, so that parts of it are swapped."""
    if not request.htmx or request.POST.get("next") in FORMS_OF_PAGES:
        return False
    return "/keys/" not in path_that_asked(request)


def go_back(request: PageRequest, project: Project, key: ApiKey | None = None, **query: str) -> HttpResponse:
    """Leads to the page that a form names (`next=dashboard`), otherwise to the key's row, or to the API Keys section.

    After a deletion it leads to the list, because the deleted key's page has nothing more to offer.
    """
    origin = request.POST.get("next")
    if origin in {"dashboard", "onboarding"}:
        return redirect(f"apikeys:{origin}", project.public_id)
    if key and not key.is_deleted and key_address(project, key) in {_page_of_form(request), path_that_asked(request)}:
        return redirect(key_address(project, key))
    if key and not key.is_deleted:
        return redirect(row_address(project, key))
    return redirect(reverse("apikeys:settings", args=[project.public_id], query=query, fragment="api-keys"))


def _page_of_form(request: PageRequest) -> str:
    """The path of the page whose form was sent; every page may have Undo."""
    return urlsplit(request.headers.get("Referer", "")).path if not request.htmx else ""


def swapped(target: str, response: HttpResponse) -> HttpResponse:
    """`response` replaces the element `target`, whichever element the request named. An open dialog closes."""
    response["HX-Retarget"] = target
    response["HX-Reswap"] = "outerHTML"
    response["HX-Trigger-After-Swap"] = "key-dialog-done"
    return response


def keys_section(request: PageRequest, project: Project, **also: Any) -> HttpResponse:
    """The API Keys section with the search and page number of the page that asked; `also` goes to its template."""
    try:
        keys = keys_context(project, QueryDict(urlsplit(request.htmx.current_url or "").query))
    except (ValueError, BadRequest, SuspiciousOperation):
        # The change has been made. A malformed header must not turn its answer into an error.
        keys = keys_context(project, QueryDict())
    context = rights(project) | keys | also
    return swapped("#api-keys", render(request, "apikeys/keys_section_answer.html", context))


def key_row(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The key's current row."""
    context = rights(project) | {"key": with_rehearsals(with_figures([key]))[0]}
    return swapped(f"#row-{key.public_id}", render(request, "apikeys/key_row_answer.html", context))


def page_with_rolls(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The list with its panels of rolls, or the page of the key or of its replacement, whichever asked."""
    if wants_partial(request):
        return keys_section(request, project)
    asked = {path_that_asked(request), page_that_asked(request).partition("?")[0]}
    keys = [key, *project.api_keys.filter(replaces=key)]
    return go_back(request, project, next((each for each in keys if key_address(project, each) in asked), key))


def key_gone(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The key was deleted while its page was open: tells so, and shows the remaining keys."""
    warn(request, f"{key.name} was deleted in the meantime. Nothing was changed.")
    return keys_section(request, project) if wants_partial(request) else go_back(request, project)
