"""Whether a project stores the secrets of its keys, or shows each secret once at its creation: its owners choose."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.keys import secret_storage
from apikeys.pages.answers import keys_section
from apikeys.pages.forms import StopStoringForm
from common.answers.announcements import announce
from common.client_address import client_address
from common.plurals import counted
from projects.access import get_project, rights
from projects.models import Project
from projects.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
def switch_on(request: PageRequest, project_id: str) -> HttpResponse:
    """A GET shows the confirmation with current facts: in a dialog for htmx, otherwise as a page.

    The project's name must be typed if there are stored secrets, because they are destroyed.
    """
    project = get_project(request.user, project_id, can=Permission.MANAGE_PROJECT)
    stored = project.api_keys.filter(ciphertext__isnull=False).count()
    button = "Destroy stored secrets" if stored else "Stop storing secrets"
    back_to = _settings(project, "open-stop-storing") if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again=f"press {button} again"):
        return question
    form = StopStoringForm(request.POST if request.method == "POST" else None, name=project.name)
    if request.method == "POST" and (not stored or form.is_valid()):
        was_on = project.show_once
        try:
            destroyed = secret_storage.show_secrets_once(
                project=project, by=request.user, may_destroy=bool(stored), address=client_address(request)
            )
        except secret_storage.SecretsStored:
            # A key was created since the secrets were counted. Now the name has to be typed.
            return switch_on(request, project_id)
        announce(request, _said(was_on, destroyed))
        if request.htmx:
            return keys_section(request, project, storage_changed=True)
        return redirect(_settings(project, "show-once"))
    context = rights(project) | {"stored": stored, "button": button, "stop_form": form}
    template = "apikeys/show_once_form.html" if request.htmx else "apikeys/show_once_page.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _said(was_on: bool, destroyed: int) -> str:
    if was_on and not destroyed:
        return "Nothing changed: secrets are already not stored."
    if not destroyed:
        return "Secrets of new keys are no longer stored."
    secrets, were = ("secret", "was") if destroyed == 1 else ("secrets", "were")
    keys = counted(destroyed, "key")
    return f"Secrets of new keys are no longer stored. The stored {secrets} of {keys} {were} destroyed."


@require_POST
def switch_off(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_PROJECT)
    back_to = _settings(project, "show-once")
    if question := ask_who_it_is(request, back_to=back_to, again="press Store new secrets again"):
        return question
    was_on = project.show_once
    secret_storage.keep_secrets(project=project, by=request.user, address=client_address(request))
    if was_on:
        announce(request, "Secrets of new keys are now stored and can be copied again.")
    else:
        announce(request, "Nothing changed: secrets of new keys are already stored.")
    return redirect(back_to)


def _settings(project: Project, fragment: str) -> str:
    return reverse("apikeys:settings", args=[project.public_id], fragment=fragment)
