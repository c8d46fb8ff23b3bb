"""What a person chose in a form that was interrupted by the question who they are, for the form that follows.

A name and an expiry stand in that form's address. Fifty networks and a hundred scopes are too long for it.
"""

from typing import Any

from accounts.requests import PageRequest
from apikeys.bounds.restrictions import Restrictions, Unreadable, column_of, read
from apikeys.pages.bounds.bound_forms import initial_of

_IN_SESSION = "kept_options"
# What the form's address says then.
KEPT = {"options": "kept"}


def keep(request: PageRequest, restrictions: Restrictions) -> None:
    """Keeps them in the session for the form at the same address."""
    request.session[_IN_SESSION] = {"form": request.path, "column": column_of(restrictions)}


def kept(request: PageRequest) -> dict[str, Any]:
    """The values of the fields that were kept for this form; none for a form that was not interrupted."""
    found = request.session.get(_IN_SESSION) if request.GET.get("options") == KEPT["options"] else None
    if not found or found["form"] != request.path:
        return {}
    try:
        return initial_of(read(found["column"]))
    except Unreadable:
        return {}
