"""Whether a project stores secrets, or shows each secret once at its creation: its owners choose."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.keys import services
from apikeys.pages.project import project_context
from common.answers.announcements import announce
from common.client_address import client_address
from projects.access import get_project
from projects.models import Project
from projects.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
def switch_on(request: PageRequest, project_id: str) -> HttpResponse:
    """A GET is the confirmation as a page, for browsers that cannot show the dialog of the settings page."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_PROJECT)
    if question := ask_who_it_is(request, back_to=request.path):
        return question
    if request.method != "POST":
        stored = project.api_keys.filter(ciphertext__isnull=False).count()
        return render(request, "apikeys/show_once_page.html", project_context(project) | {"stored": stored})
    destroyed = services.show_secrets_once(project=project, by=request.user, address=client_address(request))
    said = f" The stored secrets of {destroyed} key{'s' if destroyed > 1 else ''} were destroyed." if destroyed else ""
    announce(request, f"Secrets are shown once from now on.{said}")
    return redirect(_section_of(project))


@require_POST
def switch_off(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_PROJECT)
    if question := ask_who_it_is(request, back_to=_section_of(project), again="press Let secrets be shown again"):
        return question
    services.keep_secrets(project=project, by=request.user, address=client_address(request))
    announce(request, "The secrets of keys that are created from now on can be shown again.")
    return redirect(_section_of(project))


def _section_of(project: Project) -> str:
    return reverse("apikeys:settings", args=[project.public_id], fragment="show-once")
