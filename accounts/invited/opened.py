"""The invitation that a browser has opened, in its session.

The token itself is not kept. Its digest finds the invitation, and opens nothing for a person who reads it elsewhere.
"""

import time
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest
from django.urls import reverse

from accounts.addresses import canonical_or_none

_KEY = "opened_invitation"
_ACCEPTED = "accepted_invitation"
# A mailed token proves for so long that the person in this browser reads the emails of the address.
PROVEN_SECONDS = 60 * 60


def note(request: HttpRequest, *, address: str, digest: bytes, page: str, proves_mailbox: bool) -> None:
    """`page` is the page of the invitation, to which a sign-in or a sign-up leads back."""
    proven_until = time.time() + PROVEN_SECONDS if proves_mailbox else 0
    kept = {"address": address, "digest": digest.hex(), "page": page, "proven_until": proven_until}
    request.session[_KEY] = kept


def forget(request: HttpRequest) -> None:
    for key in (_KEY, _ACCEPTED):
        if key in request.session:
            del request.session[key]


def note_accepted(request: HttpRequest, *, project: str, page: str) -> None:
    """Forgets the invitation, and remembers where it led, while the session lasts. Its token no longer finds it.

    A button that is pressed twice leads to `page` again, and the link leads to the project with this id.
    """
    found = request.session.get(_KEY)
    forget(request)
    request.session[_ACCEPTED] = {"digest": found and found["digest"], "project": project, "page": page}


def accepted_page(request: HttpRequest) -> str | None:
    found = request.session.get(_ACCEPTED)
    return str(found["page"]) if found else None


def accepted_project(request: HttpRequest, digest: bytes | None = None) -> str:
    """The id of the project to which this token, or any, has led in this session; otherwise ""."""
    found = request.session.get(_ACCEPTED)
    if not found or (digest is not None and found["digest"] != digest.hex()):
        return ""
    return str(found["project"])


def kept(request: HttpRequest) -> Any:
    """What `keep` puts into another session, after the person has signed out."""
    return request.session.get(_KEY)


def keep(request: HttpRequest, found: Any) -> None:
    if found:
        request.session[_KEY] = found


def digest(request: HttpRequest) -> bytes | None:
    """The digest of the token that this browser has opened."""
    found = request.session.get(_KEY)
    return bytes.fromhex(found["digest"]) if found else None


def is_invited(request: HttpRequest, address: str) -> bool:
    """Whether the invitation that this browser has opened is for the address."""
    found = request.session.get(_KEY)
    return bool(found and canonical_or_none(address) == found["address"])


def is_proven(request: HttpRequest, address: str) -> bool:
    """Whether the person in this browser has just proven that they read the emails of the address."""
    return is_invited(request, address) and time.time() < request.session[_KEY]["proven_until"]


def page_to_come_back_to(request: HttpRequest | None) -> str | None:
    """The page of the invitation that this browser has opened."""
    found = request.session.get(_KEY) if request else None
    return str(found["page"]) if found else None


def sign_in_page(request: HttpRequest | None, address: str) -> str:
    """The page where the person signs in. It leads back to the invitation for the address, in this browser."""
    page = page_to_come_back_to(request) if request and is_invited(request, address) else None
    query = "?" + urlencode({REDIRECT_FIELD_NAME: page}) if page else ""
    return reverse("account_login") + query


def address_to_enter(request: HttpRequest | None) -> str | None:
    """The invited address, if this request comes from the page of the invitation and leads back to it."""
    found = request.session.get(_KEY) if request else None
    if request is None or not found:
        return None
    leads_to = request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME))
    return str(found["address"]) if leads_to == found["page"] else None
