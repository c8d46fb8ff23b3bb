"""What was chosen in the form that hands a key over, while the person looks at the form that rolls it instead."""

import re
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from apikeys.models import ApiKey

_SHAPES = {"how": re.compile("take|offer"), "to": re.compile("usr_[0-9A-Za-z]{16}")}


def chosen_so_far(given: QueryDict) -> dict[str, str]:
    """The values of the form's fields that may stand in an address: no text that somebody typed."""
    return {name: str(given[name]) for name, shape in _SHAPES.items() if shape.fullmatch(given.get(name, ""))}


def address_with(name: str, key: ApiKey, chosen: dict[str, str]) -> str:
    """The address of a form of the key, with the choice in its query; `name` is its URL's."""
    address = reverse(name, args=[key.project.public_id, key.public_id])
    return f"{address}?{urlencode(chosen)}" if chosen else address
