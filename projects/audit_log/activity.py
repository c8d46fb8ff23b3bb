"""The Activity page of a project, and its file: what was done, by whom, when, and from where."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from common.answers import csv_files
from common.answers.csv_files import as_text
from common.answers.paging import page_of
from common.page_tags import with_moments
from projects.access import get_project
from projects.audit_log import filters
from projects.audit_log.filters import AN_OPERATOR, Chosen
from projects.audit_log.kinds import Kind, kind_of
from projects.audit_log.models import AuditEvent
from projects.permissions import Permission, Role

EVENTS_A_PAGE = 25
# The newest events. So many take 3.6 s of processor time on a busy machine, and 4.7 MB.
MOST_IN_A_FILE = 50_000
EVENTS_A_QUERY = 2_000
# What the file has of an event, with the heading of each column. A person who is invited, or to whom a key is offered,
# stands under "member".
COLUMNS = {
    "key__public_id": "key id",
    "key__name": "key name",
    "member__email": "member",
    "role": "role",
    "before": "before",
    "after": "after",
    "address": "address",
}


def sentence(event: AuditEvent) -> SafeString:
    """What happened, for the page. The words of the kind are ours; everything that people chose is escaped."""
    names = {
        "by": event.by.with_name if event.by else AN_OPERATOR,
        "key": event.key.name if event.key else "",
        "member": event.member.with_name if event.member else "",
        "before": event.before,
        "after": event.after,
    }
    strong = {slot: format_html("<strong>{}</strong>", with_moments(name)) for slot, name in names.items()}
    role = Role(event.role).phrase if event.role in Role.values else ""
    kind = kind_of(event.kind)
    return format_html(_words(kind, event), **strong, role=role)


def _words(kind: Kind, event: AuditEvent) -> str:
    if kind.sentence_without_names and not event.before:
        return kind.sentence_without_names
    if kind.sentence_of_creation and event.is_creation:
        return kind.sentence_of_creation
    is_oneself = event.by is not None and event.after == str(event.by)
    return kind.sentence_of_oneself if is_oneself and kind.sentence_of_oneself else kind.sentence


@require_safe
def activity(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    chosen = Chosen(project, request.GET)
    page = page_of(chosen.events.select_related("key", "member", "by"), chosen.page, EVENTS_A_PAGE)
    context = {
        "project": project,
        "chosen": chosen,
        "page": page,
        "rows": [(kind_of(event.kind).icon, sentence(event), event) for event in page],
        "most_in_a_file": MOST_IN_A_FILE if page.paginator.count > MOST_IN_A_FILE else None,
    }
    template = "projects/activity.html"
    if request.htmx and request.htmx.target == "events":
        template += "#events"
    else:
        context |= filters.options(chosen)
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


# As a file


@require_safe
def activity_csv(request: PageRequest, project_id: str) -> HttpResponseBase:
    """What the filters show, newest first."""
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    chosen = Chosen(project, request.GET)
    name = "-".join(["activity", project.public_id, *filter(None, chosen.filters.values())])
    return csv_files.download(request, name, lambda: _csv_rows(chosen.events))


def _csv_rows(events: QuerySet[AuditEvent]) -> Iterator[csv_files.Row]:
    yield ["time", "event", "by", *COLUMNS.values()]
    for event in _newest(events):
        kind = kind_of(event.kind)
        by = event.by__email or ("" if kind.by_anybody else AN_OPERATOR)
        facts = {column: getattr(event, column) or "" for column in COLUMNS}
        if kind.names_person:
            facts |= {"member__email": event.before, "before": ""}
        texts = [kind.label, by, *facts.values()]
        yield [event.at.strftime("%Y-%m-%dT%H:%M:%SZ"), *(as_text(text) for text in texts)]


def _newest(events: QuerySet[AuditEvent]) -> Iterator[Any]:
    """At most MOST_IN_A_FILE events, read in short statements. Each goes on where the one before ended."""
    rest = events = events.values_list("pk", "at", "kind", "by__email", *COLUMNS, named=True)
    for _ in range(0, MOST_IN_A_FILE, EVENTS_A_QUERY):
        some = list(rest[:EVENTS_A_QUERY])
        yield from some
        if len(some) < EVENTS_A_QUERY:
            return
        last = some[-1]
        rest = events.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk)
