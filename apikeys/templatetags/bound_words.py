"""How pages tell what a key may do."""

from collections.abc import Iterator

from django import template

from apikeys.bounds import in_words
from apikeys.bounds.networks import in_words as network_in_words
from apikeys.bounds.restrictions import Restrictions, Unreadable
from apikeys.bounds.scopes import described as words_of_scope
from apikeys.models import ApiKey

register = template.Library()

_UNREADABLE = "Restricted by a newer release: requests are rejected"


@register.filter
def restrictions(key: ApiKey) -> Restrictions | None:
    """What the key may do; None for a column that this release cannot read."""
    try:
        return key.bounds
    except Unreadable:
        return None


@register.filter
def restricted(key: ApiKey) -> str:
    """`Read only, 3 networks, 100/minute`; nothing for a key without restrictions."""
    found = restrictions(key)
    return _UNREADABLE if found is None else in_words.short(found)


@register.filter
def described(scopes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((scope, words_of_scope(scope)) for scope in scopes)


@register.filter
def written_networks(networks: tuple[str, ...]) -> list[str]:
    return [network_in_words(network) for network in networks]
