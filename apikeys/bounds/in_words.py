"""What a key may do, in words: for pages, events and commands."""

from apikeys.bounds.networks import in_words as network_in_words
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from common.plurals import counted

FULL_ACCESS, READ_ONLY = "full access", "read only"
ANY_ADDRESS, NO_LIMITS = "any address", "no limits"


def access(restrictions: Restrictions) -> str:
    if restrictions.read_only:
        return READ_ONLY
    return FULL_ACCESS if restrictions.scopes is None else ", ".join(restrictions.scopes)


def networks(restrictions: Restrictions) -> str:
    return ", ".join(network_in_words(network) for network in restrictions.networks) or ANY_ADDRESS


def limit(of: Limit) -> str:
    """Such as "10,000 requests a month"."""
    return f"{counted(of.amount, 'request')} {a_window(of.window)}"


def a_window(window: Window) -> str:
    return f"an {window}" if window == Window.HOUR else f"a {window}"


def limits(of: Limits) -> str:
    return ", ".join(limit(each) for each in of if each) or NO_LIMITS


def short(restrictions: Restrictions) -> str:
    """Such as "Read only, 3 networks, 100/minute", for a line of a list; nothing for a key without restrictions."""
    parts = []
    if restrictions.read_only:
        parts.append(READ_ONLY.capitalize())
    if restrictions.scopes is not None:
        parts.append(counted(len(restrictions.scopes), "scope"))
    if restrictions.networks:
        parts.append(counted(len(restrictions.networks), "network"))
    parts += [f"{each.amount:,}/{each.window}" for each in restrictions.limits if each]
    return ", ".join(parts)
