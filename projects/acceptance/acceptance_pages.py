"""What an invited person sees: the link, the page that it leads to, and its buttons.

The link's page does what Django's reset of a password does: it keeps the token in the session, and leads to an address
without it. So the token is in no later address, and in no Referer.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from accounts.allauth_internals import consume
from accounts.invited import opened
from accounts.requests import PageRequest
from accounts.sign_up.sign_up_policy import refusal
from accounts.single_sign_on.connections import own_of_session
from accounts.unconfirmed import is_confirmed, must_be_cleared, say_what_was_paused
from accounts.ways import keeps_password
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.acceptance import acceptance
from projects.acceptance.acceptance import Accepted, NotInvited, OwnWays
from projects.invitations.invitation_emails import inviter_of, tell_of_request
from projects.invitations.models import Invitation
from projects.invitations.services import InvitationGone
from projects.invitations.tokens import Way, digest_of, find, is_for, way_of
from projects.locks import ProjectGone
from projects.models import Project
from projects.permissions import Role

_PAGE = "projects:invitation"


@login_not_required
@require_safe
@sensitive_variables()
def open_link(request: PageRequest, token: str) -> HttpResponse:
    """Changes nothing but the visitor's own session. A token that nobody made leads to the same page, which says so."""
    digest = digest_of(token)
    answer = _to_accepted_project(request, digest) or _to_page_of(request, digest)
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _to_page_of(request: PageRequest, digest: bytes) -> HttpResponse:
    opened.forget(request)
    if invitation := find(digest):
        is_mailed = way_of(invitation, digest) == Way.MAILED and not invitation.is_expired(timezone.now())
        address, page = invitation.email, reverse(_PAGE)
        opened.note(request, address=address, digest=digest, page=page, proves_mailbox=is_mailed)
    return redirect(_PAGE)


def _to_accepted_project(request: PageRequest, digest: bytes) -> HttpResponse | None:
    """For a person who has accepted the invitation in this session, unless they were removed since."""
    project = _own_project(request, opened.accepted_project(request, digest))
    return _already_member(request, project) if project else None


def _own_project(request: PageRequest, project_id: str) -> Project | None:
    """None for a person who was removed since."""
    if not project_id or not request.user.is_authenticated:
        return None
    return Project.objects.of(request.user).filter(public_id=project_id).first()


@login_not_required
@require_safe
def invitation(request: PageRequest) -> HttpResponse:
    """Keeps the default Referrer-Policy: without a referrer, browsers send `Origin: null` with its forms, which Django
    refuses.
    """
    found = find(opened.digest(request))
    page = opened.accepted_page(request) if found is None else None
    if page and _own_project(request, opened.accepted_project(request)):
        return redirect(page)
    if found is None:
        # One page for a link that was used, revoked, replaced or made up.
        return render(request, "projects/invitations/unknown.html", status=404)
    user = request.user if request.user.is_authenticated else None
    is_own = user is not None and is_for(found, user)
    if is_own and found.project.memberships.filter(user=user).exists():
        return _already_member(request, found.project)
    return render(request, "projects/invitations/page.html", _context(request, found, is_own))


def _already_member(request: PageRequest, project: Project) -> HttpResponse:
    announce(request, f"You are a member of {project.name} already.")
    return redirect("apikeys:dashboard", project.public_id)


def _context(request: PageRequest, found: Invitation, is_own: bool) -> dict[str, Any]:
    is_mailed = way_of(found, opened.digest(request) or b"") == Way.MAILED
    is_unconfirmed = is_own and not is_confirmed(request.user)
    return {
        "invitation": found,
        "role": Role(found.role).phrase,
        "inviter": inviter_of(found.by),
        "is_expired": found.is_expired(timezone.now()),
        "is_own": is_own,
        "must_confirm": is_unconfirmed and not is_mailed and _confirms_addresses(),
        "will_be_cleared": is_mailed and is_own and must_be_cleared(request.user),
        "can_sign_up": refusal(found.email, invited=True) is None,
        "page": reverse(_PAGE),
    }


def _confirms_addresses() -> bool:
    return bool(settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory")


@login_not_required
@require_POST
def accept(request: PageRequest) -> HttpResponse:
    """The invitation's own page answers whatever does not succeed, because it knows what is true now."""
    if not request.user.is_authenticated:
        return _to_sign_in()
    found = find(opened.digest(request))
    if found is None or _context(request, found, is_for(found, request.user))["must_confirm"]:
        return redirect(_PAGE)
    own = OwnWays(request.session.session_key, own_of_session(request, request.user))
    try:
        with transaction.atomic():
            accepted = acceptance.accept(
                digest=opened.digest(request), by=request.user, own=own, address=client_address(request)
            )
            _keep_session(request, accepted)
    except (InvitationGone, NotInvited, ProjectGone):
        return redirect(_PAGE)
    except ValidationError as error:
        warn(request, f"{' '.join(error.messages)} Then accept the invitation again.")
        return redirect(_PAGE)
    return _after(request, accepted)


def _keep_session(request: PageRequest, accepted: Accepted) -> None:
    """Django ends the sessions of an account that gets another password. This one goes on, under the id that it has.

    It is saved with the acceptance. The second request of a double click has the same cookie, and would otherwise find
    no session, sign the person out, and leave them without a password.
    """
    opened.note_accepted(request, project=accepted.project.public_id, page=_next(accepted))
    if accepted.was_cleared:
        request.session[HASH_SESSION_KEY] = accepted.user.get_session_auth_hash()
    request.session.save()


def _next(accepted: Accepted) -> str:
    if _needs_password(accepted):
        return reverse("account_set_password")
    return reverse("apikeys:dashboard", args=[accepted.project.public_id])


def _needs_password(accepted: Accepted) -> bool:
    return accepted.was_cleared and accepted.had_password and keeps_password(accepted.user)


def _after(request: PageRequest, accepted: Accepted) -> HttpResponse:
    project = accepted.project
    if accepted.is_new:
        announce(request, f"You are now {Role(accepted.role).phrase} of {project.name}.")
    else:
        announce(request, f"You are a member of {project.name} already. Your role stays as it was.")
    say_what_was_paused(request, accepted.paused)
    if _needs_password(accepted):
        warn(request, "Your email is confirmed. Choose a new password now.")
    return redirect(_next(accepted))


@login_not_required
@require_POST
def switch_account(request: PageRequest) -> HttpResponse:
    """Signs out, and comes back to the invitation after the sign-in."""
    kept = opened.kept(request)
    if request.user.is_authenticated:
        get_adapter().logout(request)
    opened.keep(request, kept)
    return _to_sign_in()


@login_not_required
@require_POST
def ask_for_new(request: PageRequest) -> HttpResponse:
    """Emails the owners, once a day for each invitation."""
    found = find(opened.digest(request))
    if found is None or not found.is_expired(timezone.now()):
        return redirect(_PAGE)
    project = found.project.public_id
    if consume(request, "invitation_asked", key=found.public_id) and consume(request, "invitations_asked", key=project):
        with transaction.atomic():
            tell_of_request(found)
        announce(request, "The owners of the project got an email. A new invitation comes by email if they send it.")
    else:
        warn(request, "The owners were already asked today. You can ask again tomorrow.")
    return redirect(_PAGE)


def _to_sign_in() -> HttpResponse:
    return redirect_to_login(reverse(_PAGE), resolve_url(settings.LOGIN_URL))
