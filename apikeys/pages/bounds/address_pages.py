"""Allow, the button beside an address that a key's networks do not hold."""

from contextlib import suppress

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.bounds import networks
from apikeys.bounds.restrictions import Restrictions, Unreadable
from apikeys.bounds.services import RestrictionsChanged, restrict_key
from apikeys.dry_run.would_reject import Refused, refused_addresses, written
from apikeys.keys.key_errors import KeyGone
from apikeys.models import ApiKey
from apikeys.pages.answers import find_key, key_address, key_gone
from apikeys.usage.caller_bounds import days_kept
from apikeys.usage.callers import used_from
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.access import get_project
from projects.permissions import Permission

_CHANGED = "Somebody changed the addresses of {} in the meantime. Nothing was changed. Check them, then try again."


@require_POST
def allow_address(request: PageRequest, project_id: str, key_id: str) -> HttpResponse:
    """Adds an address to those from which the key may be used. It asks for a recent sign-in: the key can do more then.

    `seen` are the networks that the page showed, so that nobody adds to a list that they did not see.
    """
    project = get_project(request.user, project_id, can=Permission.MANAGE_KEYS)
    key = find_key(project, key_id)
    if key.is_deleted:
        return key_gone(request, project, key)
    if question := ask_who_it_is(request, back_to=key_address(project, key), again="press Allow again"):
        return question
    try:
        announce(request, _allow(request, key))
    except KeyGone:
        return key_gone(request, project, key)
    except RestrictionsChanged:
        warn(request, _CHANGED.format(key.name))
    except Unreadable:
        warn(request, f"A newer release restricted {key.name}. Nothing was changed.")
    except ValidationError as error:
        warn(request, f"{' '.join(error.messages)} Nothing was changed.")
    return redirect(key_address(project, key))


def _allow(request: PageRequest, key: ApiKey) -> str:
    """What to announce. Raises what restrict_key raises."""
    bounds, seen = key.bounds, request.POST.get("seen")
    if seen is None:
        raise ValidationError("This form was out of date. Press Allow again.", code="nothing_seen")
    if seen != written(bounds.networks):
        if (words := _allowed_already(bounds, request.POST.get("address", ""))) is None:
            raise RestrictionsChanged
        return f"{words} may use {key.name} now."
    refused = refused_addresses(key, used_from(key, days=days_kept()))
    new = _with_address(bounds, request.POST.get("address", ""), refused)
    restrict_key(key=key, restrictions=new, by=request.user, address=client_address(request), seen=bounds)
    return f"{networks.in_words(new.networks[-1])} may use {key.name} now."


def _allowed_already(bounds: Restrictions, address: str) -> str | None:
    """The address, if the key works from there: Allow may have been pressed twice."""
    with suppress(ValidationError, ValueError):
        found = networks.read([address])
        if bounds.networks and found and networks.cover(bounds.networks, found):
            return networks.in_words(found[0])
    return None


def _with_address(bounds: Restrictions, address: str, refused: Refused) -> Restrictions:
    """Only an address that the page shows as rejected. Edit takes any other."""
    if not bounds.networks:
        raise ValidationError("Any address may use this key.", code="any_address")
    try:
        [added] = networks.read([address])
    except (ValidationError, ValueError):
        # The form of a page has an address. What somebody else sends may be a secret, so it is not repeated.
        raise ValidationError("This is no address.", code="not_a_network") from None
    words = networks.in_words(added)
    if networks.cover(bounds.networks, (added,)):
        raise ValidationError(f"{words} may use this key already.", code="allowed_already")
    if words not in refused.addresses:
        raise ValidationError(
            f"No request from {words} was rejected. To allow this address, add it on Edit.", code="not_rejected"
        )
    return bounds._replace(networks=networks.read([*bounds.networks, added]))
