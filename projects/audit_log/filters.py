"""Which events of a project the Activity page and its file show: of one kind, by one person, of one key."""

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower
from django.http import Http404, QueryDict
from django.shortcuts import get_object_or_404

from accounts.models import User
from projects.audit_log import kinds
from projects.audit_log.kinds import all_kinds
from projects.audit_log.models import AuditEvent
from projects.forms import ListForm, list_choice
from projects.models import Project

OPERATOR = "operator"
AN_OPERATOR = "An operator of this server"
# How many keys that are gone can be chosen. The page of such a key, and the address of this page, reach the others.
MOST_DELETED = 50
FILTERS = ("kind", "person", "key")
# Each row finds the person after the one before. Neither database does that for SELECT DISTINCT.
_EACH_PERSON_ONCE = f"""
WITH RECURSIVE person(pk) AS (
    SELECT MIN(by_id) FROM {AuditEvent._meta.db_table} WHERE project_id = %s
    UNION ALL
    SELECT (SELECT MIN(by_id) FROM {AuditEvent._meta.db_table} WHERE project_id = %s AND by_id > person.pk)
    FROM person WHERE person.pk IS NOT NULL
)
SELECT pk FROM person WHERE pk IS NOT NULL
"""  # noqa: S608  the table's name is ours


class EventFilterForm(ListForm):
    """`person` is the id of a user, or OPERATOR; `key` is the id of a key. Each is "" for all."""

    kind = forms.ChoiceField(required=False, choices=kinds.choices)
    person = forms.RegexField(rf"\A(usr_[0-9A-Za-z]{{16}}|{OPERATOR})\Z", required=False, strip=False)
    key = forms.RegexField(r"\Akey_[0-9A-Za-z]{16}\Z", required=False, strip=False)


class Chosen:
    """What a query chooses: the events, and the person and key by which they are filtered."""

    def __init__(self, project: Project, query: QueryDict) -> None:
        """Raises BadRequest for a malformed query, and Http404 for a person or a key that the project does not have."""
        choice = list_choice(query, EventFilterForm)
        self.page: int = choice["page"]
        self.filters: dict[str, str] = {name: choice[name] for name in FILTERS}
        self.person = _person(project, choice["person"])
        self.key = get_object_or_404(project.api_keys, public_id=choice["key"]) if choice["key"] else None
        self.project = project

    @property
    def is_filtered(self) -> bool:
        return any(self.filters.values())

    @property
    def events(self) -> QuerySet[AuditEvent]:
        """Newest first."""
        events = self.project.audit_events.all()
        if self.filters["kind"]:
            events = events.filter(kind=self.filters["kind"])
        if self.filters["person"]:
            events = events.filter(by=self.person)
        if self.filters["person"] == OPERATOR:
            events = events.exclude(kind__in=[kind.code for kind in all_kinds() if kind.by_anybody])
        if self.key:
            events = events.filter(key=self.key)
        return events


def _person(project: Project, person: str) -> User | None:
    if person in ("", OPERATOR):
        return None
    found = people_of(project).filter(public_id=person).first()
    if found is None:
        raise Http404
    return found


def people_of(project: Project) -> QuerySet[User]:
    """The people who did something in the project: members, former members and staff.

    These are few, but their events may be many, so the index of events by person is read once for each person.
    """
    # The statement holds no text that a person typed.
    each_once = RawSQL(_EACH_PERSON_ONCE, [project.pk, project.pk])  # noqa: S611  # nosec B611
    return User.objects.filter(pk__in=each_once).order_by("email")


def options(chosen: Chosen) -> dict[str, Any]:
    """What can be chosen: values with their words. A chosen key is among the keys, however long ago it was deleted."""
    project = chosen.project
    people = [(person.public_id, person.with_name) for person in people_of(project)]
    keys = project.api_keys.order_by(Lower("name")).values_list("deleted_at", "public_id", "name")
    living, deleted = project.api_keys.alive().values("pk"), project.api_keys.deleted().values("pk")[:MOST_DELETED]
    of_form = list(keys.filter(Q(pk__in=living) | Q(pk__in=deleted) | Q(pk=chosen.key and chosen.key.pk)))
    return {
        "kinds": sorted(kinds.choices(), key=lambda choice: choice[1]),
        "people": [*people, (OPERATOR, AN_OPERATOR)],
        "living_keys": [key for deleted_at, *key in of_form if not deleted_at],
        "deleted_keys": [key for deleted_at, *key in of_form if deleted_at],
    }
