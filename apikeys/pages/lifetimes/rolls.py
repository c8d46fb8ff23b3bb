"""Rolling a key, and 24 more hours for its old key."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.keys import services
from apikeys.keys.key_errors import KeyGone, ShownOnce
from apikeys.lifetimes.ends import HasExpired
from apikeys.lifetimes.rolling import LENGTHS, Overlap, end_of_new_key, extend_overlap, refuse_roll, roll_key
from apikeys.models import QUIET_AFTER, ApiKey
from apikeys.pages import actions
from apikeys.pages.answers import find_key, go_back, key_gone, page_with_rolls, wants_partial
from apikeys.pages.people.kept_choice import address_with, chosen_so_far
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.instants import in_words
from projects.access import get_project, rights
from projects.forms import FormTokenField, PageForm
from projects.models import Project
from projects.permissions import Permission

# How long the old key works on. "Now" is the last choice: it stops programs, and cannot be taken back.
OVERLAPS = {
    Overlap.HOUR: "In 1 hour",
    Overlap.DAY: "In 24 hours",
    Overlap.WEEK: "In 7 days",
    Overlap.QUIET: "When it has been quiet, in 30 days at the latest",
    Overlap.NONE: "Now: the old key has leaked",
}


def _overlaps_of(key: ApiKey) -> list[tuple[str, str]]:
    """The choices of a key. One with an end of its own ends then, whichever later time is chosen, so one choice says
    that in place of the times beyond it.
    """
    if key.expires_at is None:
        return [(overlap.value, words) for overlap, words in OVERLAPS.items()]
    left = key.expires_at - timezone.now()
    times = [overlap for overlap in (Overlap.HOUR, Overlap.DAY, Overlap.WEEK) if LENGTHS[overlap] < left]
    choices = [(overlap.value, OVERLAPS[overlap]) for overlap in times]
    if later := next((overlap for overlap in LENGTHS if LENGTHS[overlap] >= left and overlap != Overlap.QUIET), None):
        choices.append((later.value, f"At its own expiry, {in_words(key.expires_at)}"))
    if left >= LENGTHS[Overlap.QUIET]:
        choices.append((Overlap.QUIET.value, OVERLAPS[Overlap.QUIET]))
    elif left > QUIET_AFTER:
        choices.append((Overlap.QUIET.value, "When it has been quiet, at its own expiry at the latest"))
    return [*choices, (Overlap.NONE.value, OVERLAPS[Overlap.NONE])]


class Choices(forms.RadioSelect):
    """The choice that is made has the focus as the dialog opens: a key press that was meant for another must not change
    it.
    """

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        if option["selected"]:
            option["attrs"]["autofocus"] = True
        return option


class RollForm(PageForm):
    """Takes `key`, the key to roll."""

    id_prefix = "roll-key"
    overlap = forms.ChoiceField(
        label="The old key expires",
        widget=Choices,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose when the old key expires."),
    )
    form_token = FormTokenField()

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = _overlaps_of(key)
        self.fields["overlap"].choices = choices  # type: ignore[attr-defined]
        self.offers_quiet = Overlap.QUIET.value in dict(choices)
        self.fields["overlap"].initial = Overlap.DAY.value if Overlap.DAY in dict(choices) else choices[0][0]


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("new")
def roll(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET shows the form: in a dialog for htmx, otherwise as a page."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    dialog = f"{page_that_asked(request)}#open-roll-{key.public_id}"
    if question := ask_who_it_is(
        request, back_to=dialog if request.htmx else request.path, again="press Roll key again"
    ):
        return question
    form = RollForm(request.POST if request.method == "POST" else None, key=key)
    if form.is_valid():
        try:
            new = roll_key(
                key=key,
                overlap=Overlap(form.cleaned_data["overlap"]),
                by=request.user,
                address=client_address(request),
                form_token=form.cleaned_data["form_token"],
            )
        except ValidationError as error:
            if error.code in {"form_used", "rolled_already"}:
                key.refresh_from_db()
                return _roll_form(request, project, key, form, used=error)
            form.add_error(None, error)
        except KeyGone:
            return key_gone(request, project, key)
        except ShownOnce as error:
            return actions.shown_before(request, project, error.key)
        else:
            return _rolled(request, project, key, new)
    return _roll_form(request, project, key, form)


def _roll_form(
    request: PageRequest, project: Project, key: ApiKey, form: RollForm, used: ValidationError | None = None
) -> HttpResponse:
    """`used` is the error of a form that was used before."""
    context: dict[str, Any] = rights(project) | {"key": key, "roll_form": form}
    context["new_end"] = end_of_new_key(key, timezone.now())
    if chosen := chosen_so_far(request.POST or request.GET):
        context |= {"hand_over_choice": chosen, "hand_over_url": address_with("apikeys:hand_over", key, chosen)}
    try:
        if used:
            raise used
        refuse_roll(key)
    except ValidationError as error:
        goes_on = error.code in {"being_rolled", "rolled_already"} and not key.is_expired
        context["refused"], context["being_rolled"] = error.message, goes_on
    template = "apikeys/roll_form.html" if request.htmx else "apikeys/roll.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


@sensitive_variables("new")
def _rolled(request: PageRequest, project: Project, key: ApiKey, new: services.NewKey) -> HttpResponse:
    key.refresh_from_db()
    said = f"Rolled {new.key.name}. The old key is now called {key.name}."
    if not new.key.can_be_shown:
        return actions.show_once(request, project, new, said)
    announce(request, said)
    if wants_partial(request):
        return actions.section_with_new_key(request, project, new.key)
    return go_back(request, project, created=new.key.public_id)


@require_POST
def extend_old(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    try:
        seen = parse_datetime(request.POST.get("seen", ""))
    except ValueError:
        seen = None
    try:
        address = client_address(request)
        changed = seen is not None and extend_overlap(key=key, seen=seen, by=request.user, address=address)
    except (HasExpired, ValidationError, KeyGone) as error:
        changed = False
        warn(request, _why_not_extended(key, error))
    else:
        if changed and key.expires_at:
            latest = " at the latest" if key.ends_when_quiet else ""
            announce(request, f"{key.name} now expires on {in_words(key.expires_at)}{latest}.")
        else:
            warn(request, f"The expiry of {key.name} was changed in the meantime. Nothing was changed.")
    return page_with_rolls(request, project, key)


def _why_not_extended(key: ApiKey, error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    how = "was deleted" if isinstance(error, KeyGone) else "has expired"
    return f"{key.name} {how} in the meantime. Nothing was changed."
