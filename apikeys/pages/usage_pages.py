"""The Usage page and its CSV: the requests of a project, or of one of its keys; and whether a key had its first one."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest, path_that_asked
from apikeys.models import ApiKey
from apikeys.pages import usage_charts
from apikeys.pages.forms import UsageForm
from apikeys.refusals import LET_IN, REFUSED_OUTCOMES
from apikeys.usage import figures
from apikeys.usage.figures import Calls, Period, history, keys_counted, project_history, totals, use_of
from common.answers import csv_files
from common.answers.csv_files import as_text
from projects.access import get_project, rights
from projects.forms import list_choice
from projects.models import Project
from projects.permissions import Permission

KEYS_A_PAGE = 20
# How many keys the CSV reads at once: a year of them is some 10,000 rows.
KEYS_A_QUERY = 20


class KeyCalls(NamedTuple):
    """A line of the list."""

    key: ApiKey
    calls: Calls


def _chosen_key(project: Project, key_id: str) -> ApiKey | None:
    return get_object_or_404(project.api_keys.select_related("responsible"), public_id=key_id) if key_id else None


@require_safe
def usage(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    choice = list_choice(request.GET, UsageForm)
    period = choice["range"]
    key = _chosen_key(project, choice["key"])
    context = rights(project) | {
        "key": key,
        "period": period,
        "words": usage_charts.WORDS[period],
        "ranges": usage_charts.WORDS.items(),
    }
    pks = [key.pk] if key else []
    if key is None:
        counted = keys_counted(project, period)
        pks = [key.pk for key in counted.keys]
        context["page"] = _keys_page(counted.keys, totals(pks, period), choice["page"])
        context["deleted_left_out"] = 0 if counted.all_of_them else figures.MOST_DELETED
    if pks:
        buckets = history(pks, period) if key else project_history(project, pks, period)
        context |= usage_charts.context(buckets, period)
    return render(request, "apikeys/usage.html", context)


def _keys_page(keys: list[ApiKey], calls: dict[int, Calls], number: int) -> Any:
    """The keys with the most requests first, without deleted keys that had none."""
    shown = [KeyCalls(key, calls.get(key.pk, Calls())) for key in keys if not key.is_deleted or key.pk in calls]
    shown.sort(key=lambda row: (-row.calls.all, row.key.name.casefold()))
    return Paginator(shown, KEYS_A_PAGE).get_page(number)


# As a file


@require_safe
def usage_csv(request: PageRequest, project_id: str) -> HttpResponseBase:
    """A process sends few such files at once, because a year of many keys takes seconds to write."""
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    choice = list_choice(request.GET, UsageForm)
    period, key = choice["range"], _chosen_key(project, choice["key"])

    def rows() -> Iterator[csv_files.Row]:
        keys = [key] if key else _called_keys(project, period)
        return itertools.chain([_heading()], _csv_rows(keys, period))

    name = "-".join(["usage", project.public_id, *([key.public_id] if key else []), period])
    return csv_files.download(request, name, rows)


def _called_keys(project: Project, period: Period) -> list[ApiKey]:
    keys = keys_counted(project, period).keys
    called = totals([key.pk for key in keys], period)
    return sorted((key for key in keys if key.pk in called), key=lambda key: key.pk)


def _heading() -> csv_files.Row:
    return ["start", "key id", "key name", "allowed", *REFUSED_OUTCOMES]


def _csv_rows(keys: list[ApiKey], period: Period) -> Iterator[csv_files.Row]:
    """One key after the other, each from the oldest to the newest, by short statements."""
    for first in range(0, len(keys), KEYS_A_QUERY):
        some = {key.pk: key for key in keys[first : first + KEYS_A_QUERY]}
        found = use_of(list(some.values()), period).order_by("key_id", "starts_at")
        rows = found.values_list("key_id", "starts_at", "outcome", "calls")
        for (key_pk, starts_at), outcomes in itertools.groupby(rows, key=lambda row: row[:2]):
            key, calls = some[key_pk], {outcome: calls for _, _, outcome, calls in outcomes}
            counts = [calls.get(outcome, 0) for outcome in (LET_IN, *REFUSED_OUTCOMES)]
            yield [f"{starts_at:%Y-%m-%dT%H:%M:%SZ}", key.public_id, as_text(key.name), *counts]


@require_safe
def first_request(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """The request of a page that waits for a key's first request: 204 until it came."""
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    key = get_object_or_404(project.api_keys, public_id=key_id)
    if not request.htmx:
        return redirect("apikeys:dashboard", project.public_id)
    if key.last_used_at is None:
        return HttpResponse(status=204)
    # The answer also changes a line elsewhere on the page that asked. No other page has that line.
    pages = {reverse(f"apikeys:{name}", args=[project.public_id]): name for name in ("dashboard", "onboarding")}
    context = {"project": project, "key": key, "page": pages.get(path_that_asked(request))}
    return render(request, "apikeys/first_request.html", context)
