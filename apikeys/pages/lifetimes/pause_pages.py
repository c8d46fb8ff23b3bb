"""The buttons that stop a key and let it work again: Pause, Pause for…, Keep paused, another end, Re-enable."""

from functools import partial

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.keys import pausing
from apikeys.keys.key_errors import EndOfPauseChanged, KeyGone, PausedAgain
from apikeys.lifetimes.pauses import what_requests_are, why_unchanged
from apikeys.models import ApiKey
from apikeys.pages.answers import find_key, go_back, key_gone, key_row, wants_partial
from apikeys.pages.lifetimes.pause_forms import ChangeEndForm, EndOfPauseForm, PauseForForm
from apikeys.pages.lifetimes.seen import pause_seen, written
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.instants import in_words
from projects.access import get_project, rights
from projects.models import Project
from projects.permissions import Permission


@require_POST
def pause(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    said = "Paused {}. Requests using it are {}."
    return _switch(request, project_id, key_id, pausing.pause_key, said, undo="apikeys:resume")


@require_POST
def keep_paused(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    change = partial(pausing.change_end_of_pause, until=None, seen=pause_seen(request).paused_at)
    return _switch(request, project_id, key_id, change, "{} stays paused until someone re-enables it.")


@require_POST
def resume(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    # Undo and pages that are older than the report do not send it.
    seen = pause_seen(request)
    although_reported = key.is_reported and seen.reported
    if although_reported:
        back_to = f"{page_that_asked(request)}#row-{key.public_id}"
        if question := ask_who_it_is(request, back_to=back_to, again="press Re-enable again"):
            return question
    change = partial(pausing.resume_key, although_reported=although_reported, seen=seen.paused_at)
    return _switch(request, project_id, key_id, change, "Re-enabled {}. Requests using it are {}.")


def _switch(
    request: PageRequest, project_id: str, key_id: str, change: pausing.ChangeState, said: str, undo: str = ""
) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    try:
        changed = change(key=key, by=request.user, address=client_address(request))
    except KeyGone:
        return key_gone(request, project, key)
    except (ValidationError, PausedAgain, EndOfPauseChanged) as error:
        key.refresh_from_db()
        warn(request, f"{_why_not(key, error)} Nothing was changed.")
        return key_row(request, project, key) if wants_partial(request) else go_back(request, project, key)
    return _answer(request, project, key, said if changed else "", undo)


def _why_not(key: ApiKey, error: Exception) -> str:
    if isinstance(error, PausedAgain):
        return f"Somebody paused {key.name} again in the meantime."
    if isinstance(error, EndOfPauseChanged):
        until = in_words(key.resumes_at) if key.resumes_at else "someone re-enables it"
        return f"The end of the pause of {key.name} was changed in the meantime: it is paused until {until}."
    # The end of a pause went by while its form was sent.
    return " ".join(error.messages) if isinstance(error, ValidationError) else ""


def _answer(request: PageRequest, project: Project, key: ApiKey, said: str, undo: str = "") -> HttpResponse:
    """`said` is empty if nothing was changed."""
    if said:
        announce(
            request,
            said.format(key.name, what_requests_are(key)),
            # Undo takes this pause back, and no later one.
            undo=undo
            and reverse(undo, args=[project.public_id, key.public_id], query={"seen": written(key.paused_at)}),
        )
    else:
        # Without Undo, because it would undo somebody else's change.
        warn(request, why_unchanged(key))
    return key_row(request, project, key) if wants_partial(request) else go_back(request, project, key)


@require_http_methods(["GET", "HEAD", "POST"])
def pause_for(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET shows the form: in a dialog for htmx, otherwise as a page."""
    form = PauseForForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        ends_at, words, note = (form.cleaned_data[name] for name in ("ends_at", "words", "note"))
        change = partial(pausing.pause_key, until=ends_at, note=note)
        said = f"Paused {{}} {words}. Requests using it are {{}}."
        return _switch(request, project_id, key_id, change, said, undo="apikeys:resume")
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    return _ask(request, project, key, form, "pause_for", key.is_active)


@require_http_methods(["GET", "HEAD", "POST"])
def change_end(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """The same for another end of a pause."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    form = ChangeEndForm(request.POST if request.method == "POST" else None, key=key)
    if form.is_valid():
        change = partial(
            pausing.change_end_of_pause,
            until=form.cleaned_data["ends_at"],
            seen=pause_seen(request).paused_at,
            seen_end=form.cleaned_data["seen_end"],
        )
        return _switch(request, project_id, key_id, change, f"{{}} stays paused {form.cleaned_data['words']}.")
    return _ask(request, project, key, form, "end_of_pause", key.is_paused and not key.is_reported)


def _ask(
    request: PageRequest, project: Project, key: ApiKey, form: EndOfPauseForm, name: str, is_possible: bool
) -> HttpResponse:
    if key.is_deleted:
        return key_gone(request, project, key)
    if not is_possible:
        return _answer(request, project, key, "")
    template = f"apikeys/{name}_form.html" if request.htmx else f"apikeys/{name}.html"
    context = rights(project) | {"key": key, "form": form}
    return render(request, template, context, status=422 if form.is_bound else 200)
