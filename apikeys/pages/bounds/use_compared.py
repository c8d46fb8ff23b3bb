"""Two buttons of the form that edits a key: Suggest from use, and Check against use. Neither saves anything.

Both send the whole form, so that nothing typed is lost, with and without script. The form follows, with the answer.
"""

from typing import Any, Protocol

from django.http import QueryDict

from accounts.requests import PageRequest
from apikeys.bounds.restrictions import Restrictions
from apikeys.dry_run.address_suggestions import hides_addresses, suggested
from apikeys.dry_run.would_reject import dry_run
from apikeys.models import ApiKey

# The buttons' name, and the value of each.
NAME, SUGGEST, CHECK = "compare", "suggest", "check"


class BoundForm(Protocol):
    """A form in which a person chooses restrictions; None if it is wrong, or says nothing of them."""

    restrictions: Restrictions | None


def is_asked(request: PageRequest) -> bool:
    """Whether one of the buttons sent the form, so that nothing is to be saved."""
    return request.method == "POST" and request.POST.get(NAME) in (SUGGEST, CHECK)


def posted(request: PageRequest, key: ApiKey) -> QueryDict:
    """What the form sent. Suggest from use replaces the networks, if there is something to suggest."""
    if request.POST.get(NAME) == SUGGEST and (text := suggested(key).text):
        given = request.POST.copy()
        given["networks"] = text
        return given
    return request.POST


def context(request: PageRequest, key: ApiKey, form: BoundForm | None = None) -> dict[str, Any]:
    """What networks_suggestion.html and dry_run.html take. `form` is the form that was sent, once it was judged."""
    asked = request.POST.get(NAME)
    found: dict[str, Any] = {"hides_addresses": hides_addresses(key.project)}
    if asked == SUGGEST:
        found["suggestion"] = suggested(key)
    elif asked == CHECK and form is not None and (chosen := form.restrictions):
        found["compared"] = True
        found["dry_run"] = dry_run(key, chosen)
    return found
