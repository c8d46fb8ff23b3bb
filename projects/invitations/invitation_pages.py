"""What the buttons of the invitations on the Members page do."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PageRequest, page_of_list
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce, warn
from common.answers.swapped import swapped
from common.client_address import client_address
from common.plurals import counted
from projects.access import get_project, rights
from projects.invitations import listing, services
from projects.invitations.listing import Copied, InviteForm, note_of_link
from projects.invitations.models import Invitation
from projects.members.member_list import list_that_asked
from projects.models import Project
from projects.permissions import Permission

GONE = "This invitation was accepted or revoked in the meantime. Nothing was changed."


@require_POST
def invite(request: PageRequest, project_id: str) -> HttpResponse:
    """Answers every fault beside its field, and then invites nobody."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    if question := ask_who_it_is(request, back_to=_page(request, project), again="enter the addresses again"):
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
            people = sent[0].email if len(sent) == 1 else f"{counted(len(sent))} people"
            announce(request, f"Invited {people}. The link in the email works for 7 days.")
            return _after_invite(request, project, None)
    return _after_invite(request, project, form)


@require_POST
def resend(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    if question := ask_who_it_is(request, back_to=_page(request, project, invitation), again="press Resend again"):
        return question
    try:
        services.resend(invitation=invitation, by=request.user, address=client_address(request))
    except services.InvitationGone:
        return _gone(request, project)
    except ValidationError as error:
        warn(request, f"Nothing was sent. {' '.join(error.messages)}")
    else:
        announce(
            request, f"Emailed {invitation.email} a new link, which works for 7 days. The earlier one no longer works."
        )
    return _list(request, project, row=invitation)


@require_POST
@sensitive_variables()
def copy_link(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    """The new link as JSON for a script, which copies it, or in the invitation's row of the page that answers."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    if question := ask_who_it_is(request, back_to=_page(request, project, invitation), again="press Copy link again"):
        return question
    for_script = request.headers.get("Accept") == "application/json"
    try:
        renewed, link = services.copy_link(invitation=invitation, by=request.user, address=client_address(request))
    except services.InvitationGone:
        return _as_json(GONE, status=410) if for_script else _gone(request, project)
    except ValidationError as error:
        why = f"No link was made. {' '.join(error.messages)}"
        if for_script:
            return _as_json(why, status=409)
        warn(request, why)
        return _list(request, project, row=invitation)
    note = note_of_link(invitation, renewed)
    if for_script:
        return JsonResponse({"secret": link, "note": note})
    return _list(request, project, copied=Copied(renewed, link, note))


def _as_json(message: str, *, status: int) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: PageRequest, project_id: str, invitation_id: str) -> HttpResponse:
    """A GET shows the question: in a dialog for htmx, otherwise as a page. It asks for no recent sign-in, because it
    must be quick, and takes nothing from anybody.
    """
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    invitation = _find(project, invitation_id)
    if request.method != "POST":
        if not invitation.is_pending:
            return _gone(request, project)
        template = "revoke_form.html" if request.htmx else "revoke.html"
        return render(request, f"projects/members/{template}", rights(project) | {"invitation": invitation})
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


def _page(request: PageRequest, project: Project, row: Invitation | None = None) -> str:
    """The Members page that asked, with its search and page number: at the invitation's row, or at the list."""
    fragment = f"row-{row.public_id}" if row else "invitations"
    return page_of_list(request, reverse("projects:members", args=[project.public_id])) + f"#{fragment}"


def _gone(request: PageRequest, project: Project) -> HttpResponse:
    warn(request, GONE)
    return _list(request, project)


def _after_invite(request: PageRequest, project: Project, refused: InviteForm | None) -> HttpResponse:
    """htmx gets the section of the invitations, with the form if it was refused."""
    if not request.htmx and refused is None:
        return redirect(_page(request, project))
    status = 422 if refused else 200
    return _page_or_part(request, project, "invitations_answer.html", status=status, form=refused)


def _list(
    request: PageRequest, project: Project, *, row: Invitation | None = None, copied: Copied | None = None
) -> HttpResponse:
    """htmx gets only the list, because addresses may be half typed. A browser without script is led to the `row`, or
    gets the page with a `copied` link, which is shown this once.
    """
    if request.htmx:
        return swapped(
            "#invitation-list", _page_or_part(request, project, "invitation_list_answer.html", copied=copied)
        )
    if copied is None:
        return redirect(_page(request, project, row))
    return _page_or_part(request, project, "page.html", copied=copied)


def _page_or_part(
    request: PageRequest, project: Project, part: str, *, status: int = 200, **shown: Any
) -> HttpResponse:
    """The `part` of the Members page for htmx, otherwise the page, with a refused form or a link in it."""
    context = rights(project)
    context |= listing.context(project, context["can"], **shown)
    if not request.htmx:
        context |= list_that_asked(request, project)
    template = part if request.htmx else "page.html"
    return render(request, f"projects/members/{template}", context, status=status)
