"""Handing a key over, and the answers to an offer."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.hand_over import services
from apikeys.hand_over.dependents import secret_seen
from apikeys.hand_over.models import KeyOffer
from apikeys.keys.key_errors import KeyGone
from apikeys.models import ApiKey
from apikeys.pages.answers import find_key, go_back, key_address, key_gone
from apikeys.pages.people.kept_choice import address_with, chosen_so_far
from apikeys.pages.people.people_forms import HandOverForm
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.access import get_project, rights
from projects.models import Project
from projects.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET shows the form: in a dialog for htmx, otherwise as a page. Roll instead… keeps what was chosen."""
    project = get_project(request.user, project_id, can=Permission.HAND_OVER_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    dialog = f"{page_that_asked(request)}#open-hand-over-{key.public_id}"
    posted = request.POST if request.method == "POST" else None
    form = HandOverForm(posted, key=key, by=request.user, initial=chosen_so_far(request.GET))
    back_to = dialog if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again=f"press {form.press()} again"):
        return question
    if request.POST.get("ask") == "roll":
        return redirect(address_with("apikeys:roll", key, chosen_so_far(request.POST)))
    if form.is_valid():
        try:
            _carry_out(request, key, form)
        except ValidationError as error:
            form.add_error(None, error)
        except KeyGone:
            return key_gone(request, project, key)
        else:
            return redirect(key_address(project, key))
    context = rights(project) | {"key": key, "hand_over_form": form}
    context |= {"seen": secret_seen(key.responsible, key), "former": key.responsible}
    template = "apikeys/hand_over_form.html" if request.htmx else "apikeys/hand_over.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _carry_out(request: PageRequest, key: ApiKey, form: HandOverForm) -> None:
    to, address = form.chosen_person(), client_address(request)
    if to is None:
        said = _now_responsible(key)
        changed = services.take_over(key=key, by=request.user, address=address)
        announce(request, said if changed else f"You are already responsible for {key.name}.")
    elif services.offer(key=key, to=to, by=request.user, address=address):
        announce(request, f"Offered {key.name} to {to.email}. They get an email, and can accept or decline.")
    else:
        announce(request, f"{key.name} is offered to {to.email} already.")


def _now_responsible(key: ApiKey) -> str:
    """What is announced after the change, written before it. The secret stays as it is."""
    former = key.responsible
    roll = f" {former.email} knows its secret. To replace it, roll the key." if secret_seen(former, key) else ""
    return f"You are now responsible for {key.name}.{roll}"


@require_POST
def accept(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if question := ask_who_it_is(request, back_to=key_address(project, key), again="press Accept again"):
        return question
    return _answer(request, project, key, services.accept, _now_responsible(key))


@require_POST
def decline(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    said = f"Declined {key.name}. {key.responsible.email} stays responsible for it."
    return _answer(request, project, key, services.decline, said)


@require_POST
def withdraw(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.HAND_OVER_KEYS)
    key = find_key(project, key_id)
    return _answer(request, project, key, services.withdraw, f"Withdrew the offer of {key.name}.")


def _answer(request: PageRequest, project: Project, key: ApiKey, change: Callable[..., Any], said: str) -> HttpResponse:
    """Ends the key's offer, if it has one. The service knows to whom the key is offered."""
    found = KeyOffer.objects.filter(key=key).select_related("key__project", "to", "by").first()
    try:
        if found is None:
            raise services.OfferGone
        change(offer=found, by=request.user, address=client_address(request))
    except services.OfferGone:
        warn(request, f"The offer of {key.name} ended in the meantime. Nothing was changed.")
    except ValidationError as error:
        warn(request, " ".join(error.messages))
    except KeyGone:
        return key_gone(request, project, key)
    else:
        announce(request, said)
    return go_back(request, project, key)
