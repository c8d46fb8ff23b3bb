"""What the buttons do. Each action has one URL, calls one service, and answers htmx with the partial that
the page contains; a browser without script is redirected to that page."""

from functools import partial
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation, ValidationError
from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_and_resume, ask_who_it_is
from apikeys.keys import services
from apikeys.models import ApiKey
from apikeys.pages.forms import CreateKeyForm
from apikeys.pages.project import keys_context, living_names, project_context, propose_name, snippet_context
from apikeys.secrets import vault
from apikeys.standing import PauseReason
from apikeys.usage.figures import with_figures
from common import outages
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.access import get_project
from projects.forms import ConfirmNameForm
from projects.models import Project
from projects.permissions import Permission

# What `next` may be: the page whose form was sent, where that is not the settings page.
_FORMS_OF_PAGES = {"dashboard", "onboarding", "create"}


def _back_to(request: PageRequest, project: Project, **query: str) -> HttpResponse:
    """The page that a form names as its own (`next=dashboard`) and that goes on, else the API Keys section."""
    if request.POST.get("next") == "dashboard":
        return redirect("apikeys:dashboard", project.public_id)
    if request.POST.get("next") == "onboarding":
        return redirect("apikeys:onboarding", project.public_id)
    return redirect(reverse("apikeys:settings", args=[project.public_id], query=query, fragment="api-keys"))


def _section(request: PageRequest, project: Project) -> HttpResponse:
    """The API Keys section, searched and paged as it was on the page that asked."""
    try:
        keys = keys_context(project, QueryDict(urlsplit(request.htmx.current_url or "").query))
    except (ValueError, BadRequest, SuspiciousOperation):
        # The change is made; a header that no page of ours has must not turn its answer into an error.
        keys = keys_context(project, QueryDict())
    context = project_context(project) | keys
    return _swapped("#api-keys", render(request, "apikeys/settings.html#keys_section_with_announcement", context))


def _swapped(target: str, response: HttpResponse) -> HttpResponse:
    """`response` in place of the element `target`, whatever the request asked to replace."""
    response["HX-Retarget"] = target
    response["HX-Reswap"] = "outerHTML"
    return response


def _wants_partial(request: PageRequest) -> bool:
    return bool(request.htmx) and request.POST.get("next") not in _FORMS_OF_PAGES


def _gone(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The key was deleted while its page was open: says so, and shows the keys that are left."""
    warn(request, f"{key.name} was deleted in the meantime. Nothing was changed.")
    if _wants_partial(request):
        return _section(request, project)
    return _back_to(request, project)


def _key_of(project: Project, key_id: str) -> ApiKey:
    # Tombstones too: a member whose page shows a key that was just deleted is told so.
    return get_object_or_404(project.api_keys.select_related("created_by"), public_id=key_id)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("new")
def create(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    form = CreateKeyForm(request.POST if request.method == "POST" else None)
    if form.is_bound and not form.is_valid():
        return _create_form(request, project, form)
    if question := ask_who_it_is(request, back_to=_create_page(request, project), again=_press_create(request)):
        return question
    if not form.is_bound:
        name = _name_in(request.GET) or propose_name(living_names(project))
        return _create_form(request, project, CreateKeyForm(initial={"name": name}))
    try:
        new = services.create_key(
            project=project,
            name=form.cleaned_data["name"],
            by=request.user,
            form_token=form.cleaned_data["form_token"],
            address=client_address(request),
        )
    except ValidationError as error:
        form.add_error("name", error)
        return _create_form(request, project, form)
    except services.ShownOnce as error:
        return _shown_before(request, project, error.key)
    if not new.key.can_be_shown:
        return _show_once(request, project, new)
    announce(request, f"Created {new.key.name}. Copy it now, or whenever you need it.")
    if _wants_partial(request):
        return _section_with_new_key(request, project, new.key)
    return _back_to(request, project, created=new.key.public_id)


def _create_page(request: PageRequest, project: Project) -> str:
    """The address of the form for a new key, with what was typed into it: the person sends it again."""
    given = request.POST if request.method == "POST" else request.GET
    query = {"name": _name_in(given)}
    if given.get("next") in _FORMS_OF_PAGES:
        query["next"] = given["next"]
    return reverse("apikeys:create", args=[project.public_id], query={k: v for k, v in query.items() if v})


def _press_create(request: PageRequest) -> str:
    """Names the button of the form that `_create_page` shows."""
    return f"press {'Generate Key' if request.POST.get('next') == 'onboarding' else 'Create key'} again"


def _name_in(given: QueryDict) -> str:
    """The key's name in a form or an address; "" for what cannot be a name, such as a secret that was pasted there."""
    form = CreateKeyForm(given)
    return form.cleaned_data["name"] if form.is_valid() else ""


@sensitive_variables()
def _section_with_new_key(
    request: PageRequest, project: Project, key: ApiKey, secret: str | None = None
) -> HttpResponse:
    context = project_context(project) | keys_context(project, QueryDict())
    context |= {"new_key": key, "new_secret": secret}
    response = render(request, "apikeys/settings.html#keys_section_with_announcement", context)
    response["HX-Replace-Url"] = reverse("apikeys:settings", args=[project.public_id])
    return _swapped("#api-keys", response)


@sensitive_variables("new", "context")
def _show_once(request: PageRequest, project: Project, new: services.NewKey) -> HttpResponse:
    """The only answer that ever holds the secret: there is none to redirect to, or to return to."""
    announce(request, f"Created {new.key.name}. Copy it now, it is shown this once.")
    if _wants_partial(request):
        return _section_with_new_key(request, project, new.key, new.secret)
    context = project_context(project) | {"key": new.key, "new_secret": new.secret}
    return render(request, "apikeys/secret.html", context | {"next": request.POST.get("next")})


def _shown_before(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The form was submitted before, or an old page asks for what is gone."""
    if _wants_partial(request):
        warn(request, f"{key.name} exists already. Its secret was shown once; if it is lost, create another key.")
        return _section(request, project)
    status = 200 if request.htmx else 409  # htmx shows no answer that is an error
    return render(request, "apikeys/secret.html", project_context(project) | {"key": key}, status=status)


def _create_form(request: PageRequest, project: Project, form: CreateKeyForm) -> HttpResponse:
    status = 422 if form.is_bound else 200
    given = request.POST if form.is_bound else request.GET
    context = project_context(project) | {"create_form": form, "next": given.get("next", "")}
    if _wants_partial(request):
        response = render(request, "apikeys/settings.html#create_form", context, status=status)
        return _swapped("#create-key-form", response)
    if context["next"] == "onboarding":
        context |= snippet_context(request) | {"key": None}
        return render(request, "apikeys/onboarding.html", context, status=status)
    return render(request, "apikeys/create.html", context, status=status)


@require_POST
def pause(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    said = "Paused {}. Requests with it are {}."
    return _switch(request, project_id, key_id, services.pause_key, said, undo="apikeys:resume")


@require_POST
def resume(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = _key_of(project, key_id)
    # Undo does not send it, and neither does a page that is older than the report.
    although_reported = key.is_reported and request.POST.get("seen") == PauseReason.REPORTED
    if although_reported:
        back_to = f"{page_that_asked(request)}#row-{key.public_id}"
        if question := ask_who_it_is(request, back_to=back_to, again="press Re-enable again"):
            return question
    change = partial(services.resume_key, although_reported=although_reported)
    return _switch(request, project_id, key_id, change, "Re-enabled {}. Requests with it are {}.")


def _switch(
    request: PageRequest, project_id: str, key_id: str, change: services.ChangeState, said: str, undo: str = ""
) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = _key_of(project, key_id)
    try:
        changed = change(key=key, by=request.user, address=client_address(request))
    except services.KeyGone:
        return _gone(request, project, key)
    if changed:
        said = said.format(key.name, "let in" if key.standing.lets_in else "refused")
        announce(request, said, undo=undo and reverse(undo, args=[project.public_id, key.public_id]))
    else:
        # Without Undo: it would take back what somebody else did.
        warn(request, _unchanged(key))
    if not _wants_partial(request):
        return _back_to(request, project)
    context = project_context(project) | {"key": with_figures([key])[0]}
    return render(request, "apikeys/settings.html#key_row_with_announcement", context)


def _unchanged(key: ApiKey) -> str:
    """How the key stands, for somebody whose page was older."""
    if key.is_reported:
        return (
            f"{key.name} was reported as leaked in the meantime and stays paused. Nothing was changed. "
            "Re-enable it only if you are sure that nobody else has the secret."
        )
    return f"{key.name} was {key.get_state_display().lower()} already. Nothing was changed."


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET is the confirmation as a page, for browsers that cannot show the row's dialog."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = _key_of(project, key_id)
    if key.is_deleted:
        return _gone(request, project, key)
    dialog = f"{page_that_asked(request)}#delete-{key.public_id}"
    back_to = dialog if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again="press Delete key again"):
        return question
    form = ConfirmNameForm(request.POST if request.method == "POST" else None, name=key.name)
    if request.method == "POST" and (not key.was_used_recently or form.is_valid()):
        services.delete_key(key=key, by=request.user, address=client_address(request))
        announce(request, f"Deleted {key.name}. Requests with it are refused for good.")
        return _section(request, project) if _wants_partial(request) else _back_to(request, project)
    context = project_context(project) | {"key": with_figures([key])[0], "delete_form": form}
    status = 422 if form.is_bound else 200
    if request.htmx:
        response = render(request, "apikeys/settings.html#delete_form", context, status=status)
        return _swapped(f"#delete-form-{key.public_id}", response)
    return render(request, "apikeys/delete.html", context, status=status)


@require_POST
def copy(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    return _secret(request, project_id, key_id, services.copy_secret)


@require_POST
def reveal(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    return _secret(request, project_id, key_id, services.reveal_secret)


@sensitive_variables("secret")
def _secret(request: PageRequest, project_id: str, key_id: str, read: services.ReadSecret) -> HttpResponse:
    """The secret as JSON for a script, as a page without one; neither is ever stored."""
    project = get_project(request.user, project_id, can=Permission.READ_SECRETS)
    key = _key_of(project, key_id)
    as_json = request.headers.get("Accept") == "application/json"
    if not as_json:
        ask_and_resume(request)
    else:
        button = "Copy" if read is services.copy_secret else "Reveal"
        back_to = f"{page_that_asked(request)}#row-{key.public_id}"
        if question := ask_who_it_is(request, back_to=back_to, again=f"press {button} again"):
            return question
    try:
        secret = read(key=key, by=request.user, address=client_address(request))
    except services.KeyGone:
        if as_json:
            return JsonResponse({"message": f"{key.name} was deleted in the meantime. Reload the page."}, status=410)
        return _gone(request, project, key)
    except services.ShownOnce:
        if as_json:
            message = f"The secret of {key.name} was shown once and is stored nowhere. If it is lost, create a new key."
            return JsonResponse({"message": message}, status=409)
        return _shown_before(request, project, key)
    except (vault.VaultUnavailable, vault.CiphertextRefused) as error:
        outages.explain(error)
        message = "The key cannot be decrypted at the moment; it goes on working. Ask an administrator."
        if as_json:
            return JsonResponse({"message": message}, status=503)
        return render(request, "apikeys/secret.html", project_context(project) | {"key": key}, status=503)
    if as_json:
        return JsonResponse({"secret": secret})
    context = project_context(project) | {"key": key, "secret": secret}
    return render(request, "apikeys/secret.html", context)
