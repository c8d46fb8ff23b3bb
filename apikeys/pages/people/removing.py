"""Removing a member. The page shows first what depends on them, and afterwards what was done."""

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.requests import PageRequest, page_of_list, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.hand_over.dependents import dependents_of
from apikeys.hand_over.removal import Who, remove_member
from apikeys.hand_over.removal_choices import Choice, Removed
from apikeys.pages.people.people_forms import RemoveMemberForm
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.plurals import counted
from projects.access import get_project, rights
from projects.audit_kinds import MEMBER_REMOVED
from projects.models import Project
from projects.permissions import Permission

PROBLEMS_SHOWN = 3


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: PageRequest, project_id: str, user_id: str) -> HttpResponse:
    """For a former member, the page shows what happened, and the keys that still depend on them."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_MEMBERS)
    person = _find_person(project, user_id)
    if person == request.user:
        return redirect("projects:leave", project.public_id)
    is_member = project.memberships.filter(user=person).exists()
    again = "press Remove member again" if is_member else "roll or pause each key on its own page"
    dialog = f"{page_that_asked(request)}#open-remove-{person.public_id}"
    back_to = dialog if request.htmx and is_member else request.path
    if question := ask_who_it_is(request, back_to=back_to, again=again):
        return question
    posted = request.POST if request.method == "POST" else None
    form = RemoveMemberForm(posted, dependents=dependents_of(person, project), leave=not is_member)
    if form.is_valid():
        try:
            removed = remove_member(
                project=project,
                user=person,
                choices=form.chosen(),
                who=Who(request.user, client_address(request)),
                form_token=form.cleaned_data["form_token"],
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _removed(request, project, person, removed)
    context = rights(project) | {"person": person, "is_member": is_member, "form": form}
    template = "apikeys/remove_member_form.html" if request.htmx else "apikeys/remove_member.html"
    if not is_member:
        template = "apikeys/removed_member.html"
        context["was_removed"] = project.audit_events.filter(member=person, kind=MEMBER_REMOVED.code).exists()
    return render(request, template, context, status=422 if form.is_bound else 200)


def _find_person(project: Project, user_id: str) -> User:
    """A member, or somebody who was one. Everybody else is as unknown as an id that never existed."""
    memberships = project.memberships.filter(user=OuterRef("pk"))
    events = project.audit_events.filter(member=OuterRef("pk"))
    return get_object_or_404(User.objects.filter(Exists(memberships) | Exists(events)), public_id=user_id)


def _removed(request: PageRequest, project: Project, person: User, removed: Removed) -> HttpResponse:
    """Leads to the keys that still depend on the person, among them the old keys of rolls with their new keys."""
    done = f"Removed {person.email} from {project.name}."
    said = [done if removed.was_member else f"{person.email} is no longer a member."]
    rolled, paused = removed.done(Choice.ROLL), removed.done(Choice.PAUSE)
    if rolled:
        said.append(
            f"Rolled {counted(len(rolled), 'key')}: copy the new {'key' if len(rolled) == 1 else 'keys'} below."
        )
    if paused:
        said.append(f"Paused {counted(len(paused), 'key')}.")
    announce(request, " ".join(said))
    for problem in removed.problems[:PROBLEMS_SHOWN]:
        warn(request, problem)
    if more := removed.problems[PROBLEMS_SHOWN:]:
        warn(request, f"What you chose for {counted(len(more), 'more key')} was not done either.")
    if removed.outcomes:
        return redirect("apikeys:remove_member", project.public_id, person.public_id)
    members = reverse("projects:members", args=[project.public_id])
    return redirect(f"{page_of_list(request, members)}#members")
