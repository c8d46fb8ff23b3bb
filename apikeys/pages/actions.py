"""The actions of buttons. Each action has one URL, calls one service, and answers htmx with the partial that the page
contains. A browser without script is redirected to that page.
"""

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_and_resume, ask_who_it_is
from apikeys.bounds.restrictions import UNRESTRICTED
from apikeys.keys import services
from apikeys.keys.key_errors import KeyGone, ShownOnce
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.models import RECENTLY, ApiKey
from apikeys.pages.answers import (
    FORMS_OF_PAGES,
    find_key,
    go_back,
    key_address,
    key_gone,
    keys_section,
    wants_partial,
)
from apikeys.pages.bounds.kept_options import KEPT, keep, kept
from apikeys.pages.bounds.key_forms import CreateKeyForm
from apikeys.pages.forms import DeleteKeyForm
from apikeys.pages.lifetimes.end_forms import OF_AN_END, words_of_end
from apikeys.pages.project import callers_context, keys_context, living_names, propose_name, snippet_context
from apikeys.secrets import vault
from apikeys.usage.figures import with_figures
from common import outages
from common.answers.announcements import announce, warn
from common.answers.swapped import swapped
from common.client_address import client_address
from projects.access import get_project, rights
from projects.models import Project
from projects.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("new")
def create(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    form = CreateKeyForm(request.POST if request.method == "POST" else None)
    if form.is_bound and not form.is_valid():
        return _create_form(request, project, form)
    if question := ask_who_it_is(request, back_to=_create_page(request, project), again=_press_create(request)):
        if form.is_bound and form.restrictions:
            keep(request, form.restrictions)
        return question
    if not form.is_bound:
        proposed = {"name": propose_name(living_names(project))}
        return _create_form(request, project, CreateKeyForm(initial=proposed | _typed(request.GET) | kept(request)))
    try:
        new = services.create_key(
            project=project,
            name=form.cleaned_data["name"],
            by=request.user,
            form_token=form.cleaned_data["form_token"],
            address=client_address(request),
            expires_at=form.expires_at,
            restrictions=form.restrictions or UNRESTRICTED,
        )
    except ValidationError as error:
        form.add_error(form.field_of(error), error)
        return _create_form(request, project, form)
    except ShownOnce as error:
        return shown_before(request, project, error.key)
    said = f"Created {new.key.name}.{_end_in_words(new.key)}"
    if not new.key.can_be_shown:
        return show_once(request, project, new, said)
    announce(request, f"{said} Copy it now, or whenever you need it.")
    if wants_partial(request):
        return section_with_new_key(request, project, new.key)
    return go_back(request, project, created=new.key.public_id)


def _create_page(request: PageRequest, project: Project) -> str:
    """The address of the form for a new key with the typed values, because the person has to send it again."""
    given = request.POST if request.method == "POST" else request.GET
    query = _typed(given)
    if given.get("next") in FORMS_OF_PAGES:
        query["next"] = given["next"]
    if request.method == "POST":
        query |= KEPT
    return reverse("apikeys:create", args=[project.public_id], query=query)


def _end_in_words(key: ApiKey) -> str:
    return f" {words_of_end(key.expires_at)}." if key.expires_at else ""


def _press_create(request: PageRequest) -> str:
    """The words that name the button of the form which `_create_page` shows."""
    return f"press {'Generate Key' if request.POST.get('next') == 'onboarding' else 'Create key'} again"


def _typed(given: QueryDict) -> dict[str, str]:
    """What was typed into the form, or is in an address, without text that cannot be a name, such as a secret."""
    form = CreateKeyForm(given)
    form.full_clean()
    return {name: value for name in ("name", *OF_AN_END) if (value := form.cleaned_data.get(name))}


def section_with_new_key(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    context = rights(project) | keys_context(project, QueryDict()) | {"new_key": key}
    response = render(request, "apikeys/keys_section_answer.html", context)
    response["HX-Replace-Url"] = reverse("apikeys:settings", args=[project.public_id])
    return swapped("#api-keys", response)


@sensitive_variables("new", "context")
def show_once(request: PageRequest, project: Project, new: services.NewKey, said: str) -> HttpResponse:
    """The only answer that ever contains the secret: a dialog for htmx, otherwise a page. It says `said`."""
    goes_on = request.POST.get("next") == "onboarding"
    context = rights(project) | {
        "key": new.key,
        "new_secret": new.secret,
        "saved_url": reverse("apikeys:onboarding", args=[project.public_id])
        if goes_on
        else f"{key_address(project, new.key)}#name-{new.key.public_id}",  # the focus goes to the heading
    }
    if not request.htmx:
        # An announcement would lie on the button below the secret.
        return render(request, "apikeys/secret.html", context | {"done": said})
    # The page after the dialog shows the announcement.
    announce(request, said)
    response = render(request, "apikeys/show_once_dialog.html", context)
    response["HX-Retarget"], response["HX-Reswap"] = "body", "beforeend"
    return response


def shown_before(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    """The form was submitted before, or an old page asks for a secret that is not stored."""
    if request.htmx:
        warn(request, f"{key.name} exists already. Its secret was shown once. If you lost it, roll the key.")
        return keys_section(request, project) if wants_partial(request) else go_back(request, project)
    return render(request, "apikeys/secret.html", rights(project) | {"key": key}, status=409)


def _create_form(request: PageRequest, project: Project, form: CreateKeyForm) -> HttpResponse:
    status = 422 if form.is_bound else 200
    given = request.POST if form.is_bound else request.GET
    origin = given.get("next") if given.get("next") in FORMS_OF_PAGES else ""
    context = rights(project) | {"create_form": form, "origin": origin}
    if request.htmx:
        return render(request, "apikeys/create_form.html", context, status=status)
    if origin == "onboarding":
        context |= snippet_context(request) | {"key": None}
        return render(request, "apikeys/onboarding.html", context, status=status)
    return render(request, "apikeys/create.html", context | {"origin": origin or "create"}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET shows the confirmation with current facts: in a dialog for htmx, otherwise as a page."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    dialog = f"{page_that_asked(request)}#open-delete-{key.public_id}"
    back_to = dialog if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again="press Delete key again"):
        return question
    form = DeleteKeyForm(request.POST if request.method == "POST" else None, name=key.name)
    if request.method == "POST" and (not key.was_used_recently or form.is_valid()):
        services.delete_key(key=key, by=request.user, address=client_address(request))
        announce(request, f"Deleted {key.name}. Requests using it are now rejected.")
        return keys_section(request, project) if wants_partial(request) else go_back(request, project)
    [key] = with_rehearsals(with_figures([key]), older=True)
    context = rights(project) | {"key": key, "delete_form": form}
    context |= callers_context(key, RECENTLY.days)
    status = 422 if form.is_bound else 200
    template = "apikeys/delete_form.html" if request.htmx else "apikeys/delete.html"
    return render(request, template, context, status=status)


@require_POST
def copy(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    return _secret(request, project_id, key_id, services.copy_secret)


@require_POST
def reveal(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    return _secret(request, project_id, key_id, services.reveal_secret)


def _secret(request: PageRequest, project_id: str, key_id: str, read: services.ReadSecret) -> HttpResponse:
    """The secret as JSON for a script, or as a page without script. Neither is ever stored."""
    project = get_project(request.user, project_id, can=Permission.READ_SECRETS)
    key = find_key(project, key_id)
    if request.headers.get("Accept") == "application/json":
        return _secret_for_script(request, key, read)
    return _secret_page(request, project, key, read)


def _secret_for_script(request: PageRequest, key: ApiKey, read: services.ReadSecret) -> HttpResponse:
    button = "Copy" if read is services.copy_secret else "Reveal"
    back_to = f"{page_that_asked(request)}#row-{key.public_id}"
    if question := ask_who_it_is(request, back_to=back_to, again=f"press {button} again"):
        return question
    try:
        return JsonResponse({"secret": read(key=key, by=request.user, address=client_address(request))})
    except KeyGone:
        return JsonResponse({"message": f"{key.name} was deleted in the meantime. Reload the page."}, status=410)
    except ShownOnce:
        message = f"The secret of {key.name} is not stored. If you lost it, roll the key."
        return JsonResponse({"message": message}, status=409)
    except (vault.VaultUnavailable, vault.CiphertextRefused) as error:
        outages.explain(error)
        message = "The key cannot be decrypted at the moment. Requests using it still work. Ask an administrator."
        return JsonResponse({"message": message}, status=503)


@sensitive_variables("context")
def _secret_page(request: PageRequest, project: Project, key: ApiKey, read: services.ReadSecret) -> HttpResponse:
    ask_and_resume(request)
    context = rights(project) | {"key": key}
    try:
        context["secret"] = read(key=key, by=request.user, address=client_address(request))
    except KeyGone:
        return key_gone(request, project, key)
    except ShownOnce:
        return shown_before(request, project, key)
    except (vault.VaultUnavailable, vault.CiphertextRefused) as error:
        outages.explain(error)
        return render(request, "apikeys/secret.html", context, status=503)
    return render(request, "apikeys/secret.html", context)
