"""The Members page of a project, and what its buttons do."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.requests import PageRequest, page_of_list, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce, warn
from common.client_address import client_address
from projects.access import get_project, rights
from projects.invitations import listing
from projects.members.member_list import BY_RANK, last_owner, list_context, list_that_asked
from projects.members.memberships import MemberGone, change_member, manage_member
from projects.models import Membership, Project
from projects.permissions import Permission, Role, permissions_of
from projects.signals import leaving_asked


class RoleForm(forms.Form):
    role = forms.TypedChoiceField(
        choices=Role.choices,
        coerce=Role,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose a role."),
    )


@require_safe
def members(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    context = rights(project) | list_context(project, request.GET)
    context |= listing.context(project, context["can"])
    return render(request, "projects/members/page.html", context)


@require_POST
def change_role(request: PageRequest, project_id: str, user_id: str) -> HttpResponse:
    """htmx gets the person's row, and the rows of those who became or stopped being the last owner. A person who gives
    their own right away is asked first, because they cannot take that back.
    """
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    member = _find_member(project, user_id)
    back_to = _row(request, project, member.user)
    if question := ask_who_it_is(request, back_to=back_to, again="choose the role again, then press Save"):
        return question
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _list(request, project, member.user, why=str(form.errors["role"][0]))
    role, before = form.cleaned_data["role"], last_owner(project)
    is_own = member.user == request.user
    gives_away = is_own and Permission.MANAGE_MEMBERS not in permissions_of(role) and before != member.user.pk
    if gives_away and "sure" not in request.POST:
        return _ask_about_own_role(request, project, role)
    try:
        changed = manage_member(
            project=project,
            user=member.user,
            role=role,
            by=request.user,
            address=client_address(request),
            seen=request.POST.get("seen", ""),
        )
    except ValidationError as error:
        return _list(request, project, member.user, why=" ".join(error.messages))
    except MemberGone:
        return _gone(request, project, member.user)
    who = "You are" if is_own else f"{member.user} is"
    announce(request, f"{who} {'now' if changed else 'already'} {role.phrase}.")
    # A person who gave their own right away sees another page.
    if request.htmx and not is_own:
        return _rows(request, project, member.user, last_before=before)
    return redirect(back_to)


def _ask_about_own_role(request: PageRequest, project: Project, role: Role) -> HttpResponse:
    context = rights(project) | {"role": role, "seen": request.POST.get("seen", "")}
    if not request.htmx:
        return render(request, "projects/members/own_role.html", context)
    response = render(request, "projects/members/own_role_form.html", context)
    # The form of the row asks for its row.
    response["HX-Retarget"], response["HX-Reswap"], response["HX-Reselect"] = "#key-dialog-body", "innerHTML", "form"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: PageRequest, project_id: str) -> HttpResponse:
    project = get_project(request.user, project_id, can=Permission.VIEW_PROJECT)
    back_to = f"{page_that_asked(request)}#open-leave" if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again="press Leave project again"):
        return question
    answers: list[tuple[Any, Any]] = leaving_asked.send(sender=Project, project=project, user=request.user)
    context = rights(project) | {"is_last_owner": last_owner(project) == request.user.pk}
    context["responsible_for"] = [name for _, names in answers for name in names]
    template = f"projects/members/{'leave_form' if request.htmx else 'leave'}.html"
    if request.method != "POST":
        return render(request, template, context)
    try:
        change_member(project=project, user=request.user, role=None, by=request.user, address=client_address(request))
    except ValidationError:
        return render(request, template, context | {"is_last_owner": True}, status=422)
    announce(request, f"You left {project.name}.")
    return redirect("projects:list")


def _find_member(project: Project, user_id: str) -> Membership:
    member: Membership = get_object_or_404(project.memberships.select_related("user"), user__public_id=user_id)
    return member


def _address(project: Project) -> str:
    return reverse("projects:members", args=[project.public_id])


def _row(request: PageRequest, project: Project, user: User) -> str:
    """The person's row on the page whose form was sent, with its search and page number."""
    return f"{page_of_list(request, _address(project))}#member-{user.public_id}"


def _gone(request: PageRequest, project: Project, user: User) -> HttpResponse:
    warn(request, f"{user} is no longer a member. Nothing was changed.")
    return _rows(request, project, user) if request.htmx else redirect(page_of_list(request, _address(project)))


def _list(request: PageRequest, project: Project, refused: User, *, why: str) -> HttpResponse:
    """`why` nothing was changed, in the person's row: the row alone for htmx, otherwise with the page that asked."""
    if request.htmx:
        return _rows(request, project, refused, why=why)
    context = rights(project) | list_that_asked(request, project)
    context |= listing.context(project, context["can"]) | {"refused": refused, "why": why}
    return render(request, "projects/members/page.html", context, status=422)


def _rows(
    request: PageRequest, project: Project, user: User, *, last_before: int | None = None, why: str = ""
) -> HttpResponse:
    """The person's row, without any other if they are gone. `last_before` was the last owner before the change."""
    last = last_owner(project)
    others = {last_before, last} - {None} if last_before != last else set()
    shown = project.memberships.select_related("user").filter(user__in=[user.pk, *others]).order_by(*BY_RANK)
    context = rights(project) | {"rows": shown, "roles": Role.choices, "last_owner": last, "changed": user}
    if why:
        context |= {"refused": user, "why": why}
    return render(request, "projects/members/rows_answer.html", context, status=422 if why else 200)
