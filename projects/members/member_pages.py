"""The Members page of a project, and what its buttons do."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import BadRequest, SuspiciousOperation, ValidationError
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.requests import PageRequest, address_that_asked, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.access import get_project, rights
from projects.invitations import listing
from projects.members.member_list import last_owner, list_context
from projects.members.memberships import MemberGone, change_member, manage_member
from projects.models import Membership, Project
from projects.permissions import Permission, Role


class RoleForm(forms.Form):
    role = forms.TypedChoiceField(
        choices=Role.choices,
        coerce=Role,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose a role."),
    )


@require_safe
def members(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    return render(request, "projects/members/page.html", _context(project, request.GET))


def _context(project: Project, query: QueryDict) -> dict[str, Any]:
    context = rights(project) | list_context(project, query)
    return context | listing.context(project, context["can"])


@require_POST
def change_role(request: PageRequest, project_id: str, user_id: str) -> HttpResponse:
    """htmx gets the list, because a change of one owner also decides what other rows offer."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    member = _find_member(project, user_id)
    back_to = _row(request, project, member.user)
    if question := ask_who_it_is(request, back_to=back_to, again="choose the role again, then press Save"):
        return question
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _list(request, project, refused=member.user, why=str(form.errors["role"][0]))
    role = form.cleaned_data["role"]
    try:
        changed = manage_member(
            project=project, user=member.user, role=role, by=request.user, address=client_address(request)
        )
    except ValidationError as error:
        return _list(request, project, refused=member.user, why=" ".join(error.messages))
    except MemberGone:
        return _gone(request, project, member.user)
    announce(request, f"{member.user} is {'now' if changed else 'already'} {role.phrase}.")
    # A person who gave their own right away sees another page.
    if request.htmx and member.user != request.user:
        return _list(request, project)
    return redirect(back_to)


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    if question := ask_who_it_is(request, back_to=request.path, again="press Leave project again"):
        return question
    context = rights(project) | {"is_last_owner": last_owner(project) == request.user.pk}
    if request.method != "POST":
        return render(request, "projects/members/leave.html", context)
    try:
        change_member(project=project, user=request.user, role=None, by=request.user, address=client_address(request))
    except ValidationError:
        return render(request, "projects/members/leave.html", context | {"is_last_owner": True}, status=422)
    announce(request, f"You left {project.name}.")
    return redirect("projects:list")


def _find_member(project: Project, user_id: str) -> Membership:
    member: Membership = get_object_or_404(project.memberships.select_related("user"), user__public_id=user_id)
    return member


def _address(project: Project) -> str:
    return reverse("projects:members", args=[project.public_id])


def _row(request: PageRequest, project: Project, user: User) -> str:
    """The person's row on the page whose form was sent, with its search and page number."""
    page = page_that_asked(request)
    page = page if page.partition("?")[0] == _address(project) else _address(project)
    return f"{page}#member-{user.public_id}"


def _gone(request: PageRequest, project: Project, user: User) -> HttpResponse:
    warn(request, f"{user} is no longer a member. Nothing was changed.")
    return _list(request, project) if request.htmx else redirect(_address(project))


def _list(request: PageRequest, project: Project, *, refused: User | None = None, why: str = "") -> HttpResponse:
    """The list with the search of the page that asked; for htmx alone, otherwise with its page.

    `refused` is the person in whose row `why` stands: why nothing was changed.
    """
    asked = address_that_asked(request) if request.htmx else page_that_asked(request)
    try:
        context = _context(project, QueryDict(urlsplit(asked).query))
    except (ValueError, BadRequest, SuspiciousOperation):
        # The change has been made, or refused. A malformed header must not turn its answer into an error.
        context = _context(project, QueryDict())
    template = "projects/members/list_answer.html" if request.htmx else "projects/members/page.html"
    context |= {"refused": refused, "why": why}
    return render(request, template, context, status=422 if refused else 200)
