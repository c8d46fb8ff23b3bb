"""Edit, which changes a key's name, its expiry and what it may do, and Expire now.

A GET shows a form: in a dialog for htmx, otherwise as a page.
"""

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.bounds.in_words import short
from apikeys.bounds.restrictions import Unreadable, written
from apikeys.bounds.services import RestrictionsChanged
from apikeys.keys.key_errors import KeyGone, NameChanged
from apikeys.lifetimes.ends import Edited, EndChanged, HasExpired, edit_key, end_key
from apikeys.models import ApiKey
from apikeys.pages.answers import find_key, go_back, key_gone, key_row, page_with_rolls, wants_partial
from apikeys.pages.bounds import use_compared
from apikeys.pages.bounds.bound_forms import OF_BOUNDS
from apikeys.pages.bounds.kept_options import KEPT, keep, kept
from apikeys.pages.bounds.key_forms import EditKeyForm, sent_again
from apikeys.pages.bounds.resting_keys import quota_now
from apikeys.pages.lifetimes import seen
from apikeys.pages.lifetimes.end_forms import OF_AN_END, words_of_end
from apikeys.usage.figures import with_figures
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.names import looks_like_secret
from projects.access import get_project, rights
from projects.models import Project
from projects.permissions import Permission


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    old, form = key.name, _form(request, key)
    if form.is_valid() and not use_compared.is_asked(request):
        revives = form.new_end is not None and key.is_expired
        if (revives or form.gives_more) and (question := _ask_who_it_is(request, form)):
            return question
        try:
            edited = _save(request, key, form, may_revive=revives)
        except (EndChanged, NameChanged, RestrictionsChanged) as error:
            form = _with_what_is_new(request, key, error)
        except KeyGone:
            return key_gone(request, project, key)
        else:
            if edited:
                announce(request, _done(key, old, edited, form))
                return _answer(request, project, key)
    context = {"key": key, "edit_form": form, "old_name": old, "origin": _origin(request), "is_back": _is_back(request)}
    context |= rights(project) | use_compared.context(request, key, form)
    template = "apikeys/edit_form.html" if request.htmx else "apikeys/edit.html"
    is_wrong = form.is_bound and not (use_compared.is_asked(request) and form.is_valid())
    return render(request, template, context, status=422 if is_wrong else 200)


def _is_back(request: PageRequest) -> bool:
    """Whether Cancel of Expire now leads back to the form."""
    return "again" in request.POST


def _form(request: PageRequest, key: ApiKey) -> EditKeyForm:
    if _is_back(request):
        return _form_again(request, key)
    form = _form_given(request, key)
    if form.chose_from_another_end:
        return sent_again(form) or _with_the_new_end(request, key)
    if form.chose_unseen_bounds and not use_compared.is_asked(request):
        return _with_the_new_restrictions(request, key, "This form was out of date.")
    return form


def _form_given(request: PageRequest, key: ApiKey) -> EditKeyForm:
    typed = {name: request.GET[name] for name in ("name", *OF_AN_END) if name in request.GET}
    posted = use_compared.posted(request, key) if request.method == "POST" else None
    initial = {"name": key.name} | typed | kept(request)
    focus = "networks" if use_compared.is_asked(request) else request.GET.get("focus", "")
    return EditKeyForm(posted, initial=initial, key=key, focus=focus)


def _form_again(request: PageRequest, key: ApiKey) -> EditKeyForm:
    """The form as it was when Expire now was pressed. The focus is on that button, and nothing is judged yet."""
    typed: dict[str, Any] = dict(_typed(request))
    if "access" in typed:
        typed["scopes"] = request.POST.getlist("scopes")
    form = EditKeyForm(initial={"name": key.name} | typed, key=key)
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    return form


def _typed(request: PageRequest) -> list[tuple[str, str]]:
    """What the form that edits a key sent, without a secret."""
    fields = ("name", *OF_AN_END, "seen", "seen_name")
    typed = [(name, text) for name in fields if (text := request.POST.get(name))]
    # An empty field of these means something: any address, no limit.
    typed += [(name, text) for name in (*OF_BOUNDS, "seen_bounds") for text in request.POST.getlist(name)]
    return [(name, text) for name, text in typed if not looks_like_secret(text)]


def _save(request: PageRequest, key: ApiKey, form: EditKeyForm, *, may_revive: bool) -> Edited | None:
    """None if the form is wrong after all, and now has an error."""
    try:
        return edit_key(
            key=key,
            by=request.user,
            address=client_address(request),
            name=form.new_name,
            end=form.new_end,
            restrictions=form.new_restrictions,
            may_revive=may_revive,
            seen=form.cleaned_data["seen"],
            seen_name=form.cleaned_data["seen_name"] or None,
            seen_restrictions=form.cleaned_data["seen_bounds"],
        )
    except ValidationError as error:
        form.add_error(form.field_of(error), error)
    except HasExpired:
        # The key's end came while the form was sent.
        form.add_error("end", "The key has expired in the meantime. Press Save again.")
    return None


def _with_what_is_new(request: PageRequest, key: ApiKey, error: Exception) -> EditKeyForm:
    """The form that was sent, after the error which says that somebody changed one of its parts."""
    if isinstance(error, EndChanged):
        return _with_the_new_end(request, key)
    if isinstance(error, NameChanged):
        return _with_the_new_name(request, key)
    return _with_the_new_restrictions(request, key, "Somebody changed what the key may do in the meantime.")


def _with_the_new_end(request: PageRequest, key: ApiKey) -> EditKeyForm:
    """The form that was sent, with the end that the key has by now."""
    key.refresh_from_db()
    given = request.POST.copy()
    given["seen"] = seen.written(key.expires_at)
    form = EditKeyForm(given, initial={"name": key.name}, key=key)
    if form.has_error("end"):
        # A key with an end offers other choices than one without.
        given["end"] = ""
        form = EditKeyForm(given, initial={"name": key.name}, key=key)
    form.add_error(
        "end", "Somebody changed the expiry in the meantime. Nothing was changed. Check it, then press Save again."
    )
    return form


def _with_the_new_name(request: PageRequest, key: ApiKey) -> EditKeyForm:
    """The form that was sent. It has seen the name that the key has by now."""
    key.refresh_from_db()
    given = request.POST.copy()
    given["seen_name"] = key.name
    form = EditKeyForm(given, initial={"name": key.name}, key=key)
    form.add_error(
        "name",
        f"Somebody renamed the key to {key.name} in the meantime. Nothing was changed. "
        "Check it, then press Save again.",
    )
    return form


def _with_the_new_restrictions(request: PageRequest, key: ApiKey, why: str) -> EditKeyForm:
    """The form that was sent. It has seen what the key may do by now."""
    key.refresh_from_db()
    given = request.POST.copy()
    try:
        given["seen_bounds"] = written(key.bounds)
        now = f"It is now: {_restricted(key)}. Check it, then press Save again."
    except Unreadable:
        now = "A newer release restricted what the key may do. Save changes only what you see here."
    form = EditKeyForm(given, initial={"name": key.name}, key=key)
    form.add_error("seen_bounds" if form.is_unreadable else "access", f"{why} Nothing was changed. {now}")
    return form


def _origin(request: PageRequest) -> str:
    """The page that has the link Change expiry…, if Save and Cancel lead back to it."""
    given = request.POST if request.method == "POST" else request.GET
    return "dashboard" if given.get("next") == "dashboard" else ""


def _ask_who_it_is(request: PageRequest, form: EditKeyForm) -> HttpResponse | None:
    """Before an expired key works again, or a key may do more: it may be in the wrong hands, and so may the session.

    The form's own page shows what was typed.
    """
    typed = {name: form.cleaned_data[name] for name in ("name", *OF_AN_END) if form.cleaned_data.get(name)}
    if origin := _origin(request):
        typed["next"] = origin
    if form.new_restrictions is not None:
        typed |= KEPT
    question = ask_who_it_is(request, back_to=f"{request.path}?{urlencode(typed)}", again="press Save again")
    if question and form.new_restrictions is not None:
        keep(request, form.new_restrictions)
    return question


def _done(key: ApiKey, old: str, edited: Edited, form: EditKeyForm) -> str:
    """What was asked for holds, also if it held before: the form may have been sent twice."""
    if form.new_name is None and form.new_end is None and form.new_restrictions is None:
        return f"{key.name} stays as it was."
    said = [f"Renamed {old} to {key.name}." if edited.name else "Saved."]
    if form.new_end:
        words = words_of_end(key.expires_at)
        said.append(f"{key.name} {words[0].lower()}{words[1:]}.")
    if form.new_restrictions is not None:
        said.append(f"{key.name}: {_restricted(key)}.{quota_now(key, form.saw_limits)}")
    return " ".join(said)


def _restricted(key: ApiKey) -> str:
    return short(key.bounds) or "no restrictions"


def _answer(request: PageRequest, project: Project, key: ApiKey) -> HttpResponse:
    if key.replaced_by.exists():
        return page_with_rolls(request, project, key)
    return key_row(request, project, key) if wants_partial(request) else go_back(request, project, key)


@require_http_methods(["GET", "HEAD", "POST"])
def end(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """A GET shows the confirmation with current facts. So does `ask`, a button of Edit: its form is kept for Cancel.

    Like a pause, it asks for no recent sign-in: it takes access away, and can be taken back.
    """
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    if request.method == "POST" and "ask" not in request.POST:
        try:
            ended = end_key(key=key, by=request.user, address=client_address(request))
        except KeyGone:
            return key_gone(request, project, key)
        if ended:
            announce(request, f"{key.name} has expired. Requests using it are now rejected.")
        else:
            warn(request, f"{key.name} has expired already. Nothing was changed.")
        return _answer(request, project, key)
    context = rights(project) | {"key": with_figures([key])[0]}
    if "ask" in request.POST:
        origin = _origin(request)
        context["typed"] = _typed(request) + ([("next", origin)] if origin else [])
    return render(request, "apikeys/end_form.html" if request.htmx else "apikeys/end.html", context)
