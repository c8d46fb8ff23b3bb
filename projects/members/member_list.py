"""The list of a project's members, as the Members page shows it."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.paginator import Paginator
from django.db.models import Case, Value, When
from django.db.models.functions import Lower
from django.http import QueryDict
from django.urls import reverse

from accounts.requests import PageRequest, page_of_list
from common.names import named_like
from projects.forms import list_choice
from projects.models import Project
from projects.permissions import Permission, Role

MEMBERS_A_PAGE = 20
# The roles in the order in which they are declared: owners first.
_RANK = Case(*(When(role=role.value, then=Value(rank)) for rank, role in enumerate(Role)), default=Value(len(Role)))
BY_RANK = (_RANK, Lower("user__email"), "pk")


def list_context(project: Project, query: QueryDict) -> dict[str, Any]:
    """One page of the members, by the search in `query`. Raises BadRequest for a malformed query."""
    choice = list_choice(query)
    members = project.memberships.select_related("user").order_by(*BY_RANK)
    if choice["q"]:
        members = members.filter(named_like(choice["q"], "user__email") | named_like(choice["q"], "user__name"))
    return {
        "page": Paginator(members, MEMBERS_A_PAGE).get_page(choice["page"]),
        "q": choice["q"],
        "query": query,
        "roles": Role.choices,
        "last_owner": last_owner(project),
    }


def list_that_asked(request: PageRequest, project: Project) -> dict[str, Any]:
    """The same by the search of the Members page that asked."""
    address = reverse("projects:members", args=[project.public_id])
    try:
        return list_context(project, QueryDict(urlsplit(page_of_list(request, address)).query))
    except (ValueError, BadRequest, SuspiciousOperation):
        # The change was made or refused already. A malformed header must not turn its answer into another error.
        return list_context(project, QueryDict())


def last_owner(project: Project) -> int | None:
    """The primary key of the only owner who can sign in; None if there are several, or none."""
    owners = project.memberships.active().that(Permission.OWN_PROJECT).order_by("pk").values_list("user", flat=True)
    found = list(owners[:2])
    return found[0] if len(found) == 1 else None
