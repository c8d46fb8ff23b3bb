"""Two buttons of the form that edits a key: Suggest from use, and Check against use. Neither saves anything.

Both send the whole form, so that nothing typed is lost, with and without script. The form follows, with the answer.
"""

from typing import Any

from django.http import QueryDict

from accounts.requests import PageRequest
from apikeys.dry_run.address_suggestions import hides_addresses, suggested
from apikeys.dry_run.would_reject import dry_run
from apikeys.models import ApiKey

# The buttons' name, and the value of each.
NAME, SUGGEST, CHECK = "compare", "suggest", "check"


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


def context(request: PageRequest, key: ApiKey, form: object = None) -> dict[str, Any]:
    """What networks_suggestion.html and dry_run.html take. A form that was judged has the chosen `restrictions`."""
    asked = request.POST.get(NAME)
    found: dict[str, Any] = {"hides_addresses": hides_addresses(key.project)}
    if asked == SUGGEST:
        found["suggestion"] = suggested(key)
    elif asked == CHECK and (chosen := getattr(form, "restrictions", None)):
        found |= {"compared": True, "dry_run": dry_run(key, chosen)}
    return found
