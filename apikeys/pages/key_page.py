"""A key's own page: what the list has no room for, and its name."""

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import PageRequest
from apikeys.keys import services
from apikeys.pages import usage_charts
from apikeys.pages.answers import find_key, go_back, key_gone, key_row, wants_partial
from apikeys.pages.forms import RangeForm, RenameKeyForm
from apikeys.pages.project import project_context
from apikeys.usage.figures import Period, history, with_figures
from common.answers.announcements import announce
from common.client_address import client_address
from projects.access import get_project
from projects.forms import list_choice
from projects.permissions import Permission

EVENTS_SHOWN = 10


@require_safe
def key_page(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    key = find_key(project, key_id)
    choice = list_choice(request.GET, RangeForm)
    period = choice["range"] if request.GET.get("range") else Period.MONTH
    context = project_context(project) | {
        "key": with_figures([key])[0],
        "period": period,
        "words": usage_charts.WORDS[period],
        "ranges": [(other, words, f"?range={other}") for other, words in usage_charts.WORDS.items()],
        "events": key.events.select_related("by")[:EVENTS_SHOWN],
    }
    context |= usage_charts.context(history([key.pk], period), period)
    return render(request, "apikeys/key.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET is the form: in a dialog for htmx, else as a page."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    old, posted = key.name, request.method == "POST"
    form = RenameKeyForm(request.POST if posted else None, initial={"name": old})
    if form.is_valid():
        try:
            changed = services.rename_key(
                key=key, name=form.cleaned_data["name"], by=request.user, address=client_address(request)
            )
        except ValidationError as error:
            form.add_error("name", error)
        except services.KeyGone:
            return key_gone(request, project, key)
        else:
            announce(request, f"Renamed {old} to {key.name}." if changed else f"{key.name} keeps its name.")
            return key_row(request, project, key) if wants_partial(request) else go_back(request, project, key)
    context = project_context(project) | {"key": key, "rename_form": form, "old_name": old}
    template = "apikeys/rename_form.html" if request.htmx else "apikeys/rename.html"
    return render(request, template, context, status=422 if form.is_bound else 200)
