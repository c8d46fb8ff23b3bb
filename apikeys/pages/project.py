"""The pages of a project with its keys. Their partials are the answers of actions.py."""

import itertools
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db.models import Count, Exists, F, Q, QuerySet, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import PageRequest
from apikeys.dry_run.would_reject import refused_addresses
from apikeys.hand_over.models import KeyOffer
from apikeys.lifetimes.rehearsals import with_rehearsals
from apikeys.limits.resting import budgets_of_project
from apikeys.models import NOT_ENDED, RECENTLY, ApiKey, holds
from apikeys.pages import snippets, usage_charts
from apikeys.pages.bounds.key_forms import CreateKeyForm
from apikeys.pages.bounds.resting_keys import with_budgets
from apikeys.pages.forms import SORT_CHOICES, STANDINGS_OF, STATE_CHOICES, KeyListForm, RangeForm
from apikeys.pages.lifetimes.roll_panels import rolls_context
from apikeys.refusals import OF_A_KEY
from apikeys.standing import ACTIVE, CREATOR_DEACTIVATED, DELETED, REPORTED, STANDINGS, EndReason
from apikeys.usage.caller_bounds import days_kept
from apikeys.usage.callers import Callers, used_from
from apikeys.usage.figures import Period, history, keys_counted, project_history, with_figures
from common.answers.announcements import announce
from common.answers.paging import page_of
from common.answers.refusals import UNAVAILABLE
from common.client_address import client_address
from common.names import named_like
from projects import services as project_services
from projects.access import get_project, rights
from projects.audit_log.activity import sentence
from projects.audit_log.kinds import kind_of
from projects.audit_log.models import AuditEvent
from projects.forms import MailsForm, RenameProjectForm, list_choice
from projects.models import Project
from projects.permissions import Permission, Role, rights_of_roles, those_who

KEYS_A_PAGE = 10
FILES_SHOWN = 5
KEYS_OFFERED = 20
STOPPED_SHOWN = 3
EVENTS_SHOWN = 10
_USED_LAST = F("last_used_at").desc(nulls_last=True)
# The orders of the list of keys, by the value of `sort` in the address.
_SORTED: dict[str, tuple[str | OrderBy | Lower, ...]] = {
    "": ("-created_at", "-pk"),
    "name": (Lower("name"), "-pk"),
    "used": (_USED_LAST, "-created_at", "-pk"),
}


def snippet_context(request: PageRequest) -> dict[str, Any]:
    url = snippets.api_url(request)
    return {"api_url": url, "snippets": snippets.snippets_for(url)}


def propose_name(taken: Iterable[str]) -> str:
    """A free name, so that Enter is enough."""
    folded = {name.casefold() for name in taken}
    proposals = itertools.chain(["Default key"], (f"Key {number}" for number in itertools.count(2)))
    return next(name for name in proposals if name.casefold() not in folded)


def living_names(project: Project) -> list[str]:
    return list(project.api_keys.alive().values_list("name", flat=True))


def keys_context(project: Project, query: QueryDict) -> dict[str, Any]:
    """The API Keys section: one page of the project's keys, by the search and filter in `query`."""
    choice = list_choice(query, KeyListForm)
    any_deleted = project.api_keys.deleted().exists()
    # Plain values, because a project may have a thousand keys.
    living = list(project.api_keys.alive().annotate(goes_on=NOT_ENDED).values_list("pk", "name", "replaces", "goes_on"))
    names = [name for _, name, _, _ in living]
    not_ended = {pk for pk, _, _, goes_on in living if goes_on}
    replaced = {replaces for pk, _, replaces, _ in living if pk in not_ended}
    kept = query.copy()
    kept.pop("created", None)  # a new key is shown once, and not on each page of the list
    page = page_of_keys(project, choice, len(names))
    for key in page:
        key.is_being_rolled = key.pk in replaced
    return {
        "page": page,
        "q": choice["q"],
        "state": choice["state"],
        "sort": choice["sort"],
        "query": kept,
        "any_deleted": any_deleted,
        "states": [c for c in STATE_CHOICES if any_deleted or c[0] != DELETED.code or choice["state"] == c[0]],
        "sorts": SORT_CHOICES,
        "is_filtered": len(names) > 1 or any_deleted or choice["q"] or choice["state"],
        "living": len(not_ended),
        "ended": len(names) - len(not_ended),
        "limit": settings.MAX_KEYS_PER_PROJECT,
        "at_limit": len(not_ended) >= settings.MAX_KEYS_PER_PROJECT,
        "create_form": CreateKeyForm(initial={"name": propose_name(names)}),
        **(rolls_context(project) if not_ended & replaced else {}),
    }


def page_of_keys(project: Project, choice: dict[str, Any], living: int) -> Any:
    """The chosen page of the chosen keys, with their figures. `living` keys are there without a choice."""
    keys = project.api_keys.select_related("responsible", "creator").order_by(*_SORTED[choice["sort"]])
    keys = keys.standing_as(*STANDINGS_OF[choice["state"]]) if choice["state"] else keys.alive()
    if choice["q"]:
        keys = keys.filter(named_like(choice["q"]) | Q(mask__contains=choice["q"]))
    # Only deleted keys may be many.
    if choice["state"] == DELETED.code:
        page = page_of(keys, choice["page"], KEYS_A_PAGE)
    else:
        paginator = Paginator(keys, KEYS_A_PAGE)
        if not (choice["q"] or choice["state"]):
            paginator.count = living  # known, so that nobody has to ask for it
        page = paginator.get_page(choice["page"])
    page.object_list = with_budgets(with_rehearsals(with_figures(page.object_list)))
    return page


@require_safe
def dashboard(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    context = rights(project)
    counted = keys_counted(project, Period.DAY).keys
    living = [key for key in counted if not key.is_deleted]
    counts = {
        "all": len(living),
        "paused": sum(key.is_paused for key in living),
        "expired": sum(key.is_expired and not key.is_paused for key in living),
    }
    # Only whether there is a deleted key, because there may be any number.
    if not counted and not project.api_keys.exists() and Permission.MANAGE_KEYS in context["can"]:
        return redirect("apikeys:onboarding", project.public_id)
    # Keys of active accounts first, then the key that was used last; among keys that were never used, the newest.
    offers = KeyOffer.objects.filter(key__project=project, to=request.user)
    alive = project.api_keys.alive().select_related("responsible").annotate(any_offer=Exists(offers))
    keys: list[Any] = list(alive.order_by("-responsible__is_active", _USED_LAST, "-created_at", "-pk")[:KEYS_OFFERED])
    chosen = request.GET.get("key")
    key = next((key for key in keys if key.public_id == chosen), None) or _newest_of_roll(keys[0] if keys else None)
    with_rehearsals([key] if key else [])
    shown = FILES_SHOWN if settings.BRAND.shows_files else 0
    files = list(project.files.annotate(number=Window(Count("pk")))[:shown])
    context |= snippet_context(request) | {
        "key": key,
        "keys": keys,
        "stopped": reported_or_tried(project, besides=key),
        "ending": _ending_soon(living, besides=key),
        "offers": offers.select_related("key", "by")[:STOPPED_SHOWN] if keys and keys[0].any_offer else [],
        "counts": counts,
        "files": files,
        "file_count": files[0].number if files else 0,
        **_day_chart(project, counted),
    }
    return render(request, "apikeys/dashboard.html", context)


def _newest_of_roll(key: ApiKey | None) -> ApiKey | None:
    """The key, or the key that takes over from it: nobody should copy a key that is being replaced."""
    newest = key
    while key and key.end_reason == EndReason.ROLLED:
        key = key.replaced_by.alive().select_related("responsible").first()
        newest = key if key and not key.is_expired else newest
    return newest


def _day_chart(project: Project, counted: list[ApiKey]) -> dict[str, Any]:
    """The requests of the last 24 hours with all keys, as the Usage page shows them."""
    if not counted:
        return {}
    return usage_charts.context(project_history(project, [key.pk for key in counted], Period.DAY), Period.DAY)


def reported_or_tried(project: Project, *, besides: ApiKey | None) -> QuerySet[ApiKey]:
    """The other stopped keys that need attention: reported keys first, then keys that a program used in the last 7
    days, the latest request first.
    """
    tried = Q(refused_calls__gt=0, last_refused_at__gt=timezone.now() - RECENTLY)
    stopped = [standing for standing in STANDINGS if standing not in (ACTIVE, CREATOR_DEACTIVATED)]
    keys = project.api_keys.select_related("responsible").filter(tried | holds(REPORTED)).standing_as(*stopped)
    keys = keys.exclude(pk=besides.pk if besides else 0)
    return keys.order_by("-pause_reason", F("last_refused_at").desc(nulls_last=True))[:STOPPED_SHOWN]


def _ending_soon(living: list[ApiKey], *, besides: ApiKey | None) -> list[ApiKey]:
    """The other keys that end in the next 7 days, the first one first."""
    ending = [key for key in living if key.ends_soon and not key.is_paused and key != besides]
    return sorted(ending, key=attrgetter("expires_at"))[:STOPPED_SHOWN]


@require_safe
def onboarding(request: PageRequest, project_id: str) -> HttpResponse:
    """The step after the creation of a project: its first key, then that key's own panel. People may return to it."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = project.api_keys.alive().select_related("responsible").first()
    context = rights(project) | snippet_context(request)
    context |= {"key": key, "create_form": CreateKeyForm(initial={"name": propose_name([])})}
    return render(request, "apikeys/onboarding.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: PageRequest, project_id: str) -> HttpResponse:
    """General, API Keys, Email notifications and Danger zone. A POST renames the project."""
    can = Permission.MANAGE_PROJECT if request.method == "POST" else Permission.VIEW_PROJECT
    project = get_project(request.user, project_id, can=can)
    shown = {"name": project.name, "seen_name": project.name}
    rename_form = RenameProjectForm(request.POST if request.method == "POST" else None, initial=shown)
    if rename_form.is_valid() and _rename(request, project, rename_form):
        return redirect("apikeys:settings", project.public_id)
    context = rights(project) | keys_context(project, request.GET)
    context |= {"rename_form": rename_form, "mails_form": MailsForm.of(project.membership)}
    if created := request.GET.get("created"):
        context["new_key"] = next((key for key in context["page"] if key.public_id == created), None)
    template = "apikeys/settings.html"
    if request.htmx and request.htmx.target == "api-keys":
        template = "apikeys/keys_section.html"
    status = 422 if rename_form.is_bound else 200
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _rename(request: PageRequest, project: Project, form: RenameProjectForm) -> bool:
    """False if somebody else renamed it meanwhile. Then the form has an error."""
    name, seen = form.cleaned_data["name"], form.cleaned_data["seen_name"] or None
    try:
        changed = project_services.rename_project(
            project=project, name=name, by=request.user, address=client_address(request), seen=seen
        )
    except project_services.ProjectRenamed:
        project.refresh_from_db(fields=["name"])
        form.show_change(project.name)
        return False
    announce(request, f"Renamed the project to {project.name}." if changed else f"{project.name} keeps its name.")
    return True


@require_safe
def key_page(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    people = ("responsible", "creator", "offer__to", "offer__by")
    key = get_object_or_404(project.api_keys.select_related(*people), public_id=key_id)
    choice = list_choice(request.GET, RangeForm)
    period = choice["range"] if request.GET.get("range") else Period.MONTH
    context = rights(project) | {
        "key": with_budgets(with_rehearsals(with_figures([key])))[0],
        "project_budgets": budgets_of_project(project),
        "period": period,
        "words": usage_charts.WORDS[period],
        "ranges": usage_charts.WORDS.items(),
        "events": _events(key),
        **rolls_context(project, key),
    }
    key.is_being_rolled = any(roll.old.pk == key.pk for roll in context["rolls"])
    context |= usage_charts.context(history([key.pk], period), period) | callers_context(key, days_kept())
    return render(request, "apikeys/key.html", context)


def callers_context(key: ApiKey, days: int) -> dict[str, Any]:
    """The addresses that used the key, which has its figures, in the last `days` days for which they are stored."""
    days = min(days, days_kept())
    callers = used_from(key, days=days) if days else Callers([])
    return {"callers": callers, "caller_days": days, "outside": refused_addresses(key, callers)}


def _events(key: ApiKey) -> list[tuple[str, SafeString, AuditEvent]]:
    """The key's newest events, each with its icon and its sentence."""
    events = key.events.select_related("key", "by", "member")[:EVENTS_SHOWN]
    return [(kind_of(event.kind).icon, sentence(event), event) for event in events]


@login_not_required
@require_safe
def help_page(request: PageRequest) -> HttpResponse:
    context = snippet_context(request) | {
        "refusals": (*OF_A_KEY, UNAVAILABLE.worded(shows_files=settings.BRAND.shows_files)),
        "roles": Role,
        "rights_of_roles": rights_of_roles(),
        "those_who_manage": those_who(Permission.MANAGE_MEMBERS),
    }
    return render(request, "apikeys/help.html", context)
