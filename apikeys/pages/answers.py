"""The answer to an action on a key: a partial for htmx, a redirect for a browser without script."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.requests import PageRequest, page_before_form, page_of_list, page_that_asked, path_that_asked
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.models import ApiKey
from apikeys.pages.bounds.resting_keys import with_budgets
from apikeys.pages.forms import KeyListForm
from apikeys.pages.project import KEYS_A_PAGE, keys_context, page_of_keys
from apikeys.usage.figures import with_figures
from common.answers.announcements import warn
from common.answers.swapped import swapped
from projects.access import rights
from projects.forms import list_choice
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

    The list has the search and page number that it had when the person left it. After a deletion the list follows,
    because the deleted key's page has nothing more to offer.
    """
    origin = request.POST.get("next")
    if origin in {"dashboard", "onboarding"}:
        return redirect(f"apikeys:{origin}", project.public_id)
    before = page_before_form(request)
    goes_on = key is not None and not key.is_deleted
    if key and goes_on and key_address(project, key) in {before.partition("?")[0], path_that_asked(request)}:
        return redirect(key_address(project, key))
    asked = QueryDict(page_of_list(request, list_address(project).partition("#")[0]).partition("?")[2])
    if key and goes_on:
        return redirect(row_address(project, key, asked))
    return redirect(list_address(project, query or asked))


def list_address(project: Project, query: Mapping[str, Any] | None = None, row: ApiKey | None = None) -> str:
    """The API Keys section with the search and page number of `query`, or a row of it."""
    fragment = f"row-{row.public_id}" if row else "api-keys"
    return reverse("apikeys:settings", args=[project.public_id], query=query or None, fragment=fragment)


def row_address(project: Project, key: ApiKey, query: QueryDict) -> str:
    """The key's row in the list that has the search and page number of `query`.

    A key that its own change took out of a search has no row: the section follows, with the search. Without a search,
    the key's page of the list follows.
    """
    kept = query.copy()
    kept.pop("created", None)
    try:
        choice = list_choice(kept, KeyListForm)
    except BadRequest:
        # The change has been made. A malformed header must not turn its answer into an error.
        choice, kept = list_choice(QueryDict(), KeyListForm), QueryDict(mutable=True)
    if key in page_of_keys(project, choice, project.api_keys.alive().count()):
        return list_address(project, kept, key)
    if choice["q"] or choice["state"] or choice["sort"]:
        return list_address(project, kept)
    is_newer = Q(created_at__gt=key.created_at) | Q(created_at=key.created_at, pk__gt=key.pk)
    number = project.api_keys.alive().filter(is_newer).count() // KEYS_A_PAGE + 1
    return list_address(project, {"page": number} if number > 1 else None, key)


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
    context = rights(project) | {"key": with_budgets(with_rehearsals(with_figures([key])))[0]}
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
