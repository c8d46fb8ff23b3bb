"""What the buttons of the invitations on the Members page do."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.instants import time_left
from projects.access import get_project, rights
from projects.invitations import listing, services
from projects.invitations.listing import InviteForm
from projects.invitations.models import Invitation
from projects.members.member_list import list_context
from projects.models import Project
from projects.permissions import Permission


@require_POST
def invite(request: PageRequest, project_id: str) -> HttpResponse:
    """Answers every fault beside its field, and then invites nobody."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    if question := ask_who_it_is(request, back_to=_page(project), again="enter the addresses again"):
        return question
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            sent = services.invite(
                project=project, by=request.user, address=client_address(request), **form.cleaned_data
            )
        except ValidationError as error:
            form.add_error("emails", error)
        else:
            people = sent[0].email if len(sent) == 1 else f"{len(sent)} people"
            announce(request, f"Invited {people}. The link in the email works for 7 days.")
            return _after_invite(request, project, None)
    return _after_invite(request, project, form)


@require_POST
def resend(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    if question := ask_who_it_is(request, back_to=_page(project), again="press Resend again"):
        return question
    try:
        services.resend(invitation=invitation, by=request.user, address=client_address(request))
    except services.InvitationGone:
        return _gone(request, project)
    except ValidationError as error:
        warn(request, f"Nothing was sent. {' '.join(error.messages)}")
    else:
        old = "The old one no longer works."
        announce(request, f"Emailed {invitation.email} a new link, which works for 7 days. {old}")
    return _list(request, project)


@require_POST
@sensitive_variables()
def copy_link(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    """Shows the new link once, on the page that answers."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    if question := ask_who_it_is(request, back_to=_page(project), again="press Copy link again"):
        return question
    try:
        copied = services.copy_link(invitation=invitation, by=request.user, address=client_address(request))
    except services.InvitationGone:
        return _gone(request, project)
    except ValidationError as error:
        warn(request, f"No link was made. {' '.join(error.messages)}")
        return _list(request, project)
    left = time_left(copied[0].expires_at - timezone.now())
    announce(request, f"The link for {invitation.email} is ready. It expires {left}.")
    return _list(request, project, copied=copied)


@require_POST
def revoke(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    """Asks for no recent sign-in, because it must be quick, and takes nothing from anybody."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    try:
        services.revoke(invitation=invitation, by=request.user, address=client_address(request))
    except services.InvitationGone:
        return _gone(request, project)
    announce(request, f"Revoked the invitation of {invitation.email}. Its links no longer work.")
    return _list(request, project)


def _find(project: Project, invitation_id: str) -> Invitation:
    """Any invitation of the project. The service decides whether it is still pending."""
    invitation: Invitation = get_object_or_404(project.invitations.select_related("project"), public_id=invitation_id)
    return invitation


def _page(project: Project) -> str:
    return reverse("projects:members", args=[project.public_id], fragment="invitations")


def _gone(request: PageRequest, project: Project) -> HttpResponse:
    warn(request, "This invitation was accepted or revoked in the meantime. Nothing was changed.")
    return _list(request, project)


def _after_invite(request: PageRequest, project: Project, refused: InviteForm | None) -> HttpResponse:
    """htmx gets the section of the invitations, with the form if it was refused."""
    if not request.htmx and refused is None:
        return redirect(_page(project))
    status = 422 if refused else 200
    return _page_or_part(request, project, "invitations_answer.html", status=status, form=refused)


def _list(request: PageRequest, project: Project, *, copied: tuple[Invitation, str] | None = None) -> HttpResponse:
    """htmx gets only the list, because addresses may be half typed. `copied` has a link that is shown this once."""
    if not request.htmx and copied is None:
        return redirect(_page(project))
    return _page_or_part(request, project, "invitation_list_answer.html", copied=copied)


def _page_or_part(
    request: PageRequest, project: Project, part: str, *, status: int = 200, **shown: Any
) -> HttpResponse:
    """The `part` of the Members page for htmx, otherwise the page, with a refused form or a link in it."""
    context = rights(project)
    context |= listing.context(project, context["can"], **shown)
    if not request.htmx:
        context |= list_context(project, QueryDict())
    template = part if request.htmx else "page.html"
    return render(request, f"projects/members/{template}", context, status=status)
