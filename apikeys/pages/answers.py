"""What an action on a key answers: a partial for htmx, a redirect for a browser without script."""

from urllib.parse import urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.requests import PageRequest
from apikeys.models import ApiKey
from apikeys.pages.project import keys_context, project_context
from apikeys.usage.figures import with_figures
from common.answers.announcements import warn
from projects.models import Project

# What `next` may be: the page whose form was sent, where that is not the settings page.
FORMS_OF_PAGES = {"dashboard", "onboarding", "create", "key"}


def find_key(project: Project, key_id: str) -> ApiKey:
    """Tombstones too: a member whose page shows a key that was just deleted is told so."""
    key: ApiKey = get_object_or_404(project.api_keys.select_related("created_by"), public_id=key_id)
    return key


def key_address(project: Project, key: ApiKey) -> str:
    return reverse("apikeys:key", args=[project.public_id, key.public_id])


def path_that_asked(request: PageRequest) -> str:
    """The path of the page whose script sent the request; "" where no page of ours did."""
    try:
        return urlsplit(request.htmx.current_url or "").path
    except ValueError:
        return ""


def wants_partial(request: PageRequest) -> bool:
    """Whether the page that asked has the list of keys, whose parts are swapped."""
    if not request.htmx or request.POST.get("next") in FORMS_OF_PAGES:
        return False
    return "/keys/" not in path_that_asked(request)


def go_back(request: PageRequest, project: Project, key: ApiKey | None = None, **query: str) -> HttpResponse:
    """Leads to the page that a form names as its own (`next=dashboard`), else to the API Keys section.

    The page of a deleted key is not returned to: whoever deletes a key goes on with the others.
    """
    origin = request.POST.get("next")
    if origin in {"dashboard", "onboarding"}:
        return redirect(f"apikeys:{origin}", project.public_id)
    if key and not key.is_deleted and key_address(project, key) in {_page_of_form(request), path_that_asked(request)}:
        return redirect(key_address(project, key))
    return redirect(reverse("apikeys:settings", args=[project.public_id], query=query, fragment="api-keys"))


def _page_of_form(request: PageRequest) -> str:
    """The path of the page whose form was sent; Undo stands on every page."""
    return urlsplit(request.headers.get("Referer", "")).path if not request.htmx else ""


def swapped(target: str, response: HttpResponse) -> HttpResponse:
    """`response` in place of the element `target`, whatever the request asked to replace. An open dialog closes."""
    response["HX-Retarget"] = target
    response["HX-Reswap"] = "outerHTML"
    response["HX-Trigger-After-Swap"] = "key-dialog-done"
    return response


def keys_section(request: PageRequest, project: Project) -> HttpResponse:
    """The API Keys section, searched and paged as it was on the page that asked."""
    try:
        keys = keys_context(project, QueryDict(urlsplit(request.htmx.current_url or "").query))
    except (ValueError, BadRequest, SuspiciousOperation):
        # The change is made. A header that no page of ours has must not turn its answer into an error.
        keys = keys_context(project, QueryDict())
    context = project_context(project) | keys
    return swapped("#api-keys", render(request, "apikeys/keys_section_answer.html", context))


def key_row(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The key's row as it is now."""
    context = project_context(project) | {"key": with_figures([key])[0]}
    return swapped(f"#row-{key.public_id}", render(request, "apikeys/key_row_answer.html", context))


def key_gone(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The key was deleted while its page was open: says so, and shows the keys that are left."""
    warn(request, f"{key.name} was deleted in the meantime. Nothing was changed.")
    return keys_section(request, project) if wants_partial(request) else go_back(request, project)
