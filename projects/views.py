from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PageRequest, page_that_asked
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce, warn
from common.client_address import client_address
from common.names import named_like
from common.plurals import counted
from projects import services
from projects.access import get_project
from projects.forms import ConfirmNameForm, MailsForm, ProjectForm, list_choice
from projects.models import Membership, Project
from projects.permissions import Permission
from projects.signals import deleting_asked

PAGE_SIZE = 20
CHOOSE_AGAIN = "choose again, then press Save"


@login_not_required
@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Tells what Latchkey is. A person who is signed in is led to their projects."""
    if not request.user.is_authenticated:
        return render(request, "projects/welcome.html")
    projects = list(Project.objects.of(request.user)[:2])
    if not projects:
        return redirect("projects:create")
    if len(projects) == 1:
        return redirect("apikeys:dashboard", projects[0].public_id)
    return redirect("projects:list")


@require_safe
def project_list(request: PageRequest) -> HttpResponse:
    choice = list_choice(request.GET)
    projects = Project.objects.of(request.user).with_key_counts().told_apart(request.user).by_name()
    if choice["q"]:
        projects = projects.filter(named_like(choice["q"]))
    page = Paginator(projects, PAGE_SIZE).get_page(choice["page"])
    context = {"page": page, "q": choice["q"]}
    return render(request, "projects/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create_project(request: PageRequest) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = services.create_project(
                owner=request.user, by=request.user, address=client_address(request), **form.cleaned_data
            )
        except ValidationError as error:
            form.add_error("name", error)
        else:
            return redirect("apikeys:onboarding", project.public_id)
    first = not Project.objects.of(request.user).exists()
    status = 422 if form.is_bound else 200
    return render(request, "projects/create.html", {"form": form, "first": first}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: PageRequest) -> HttpResponse:
    """The person's choice of emails, for each of their projects in which their role gets any. One form has them all."""
    if request.method == "POST":
        return _choose_mails_of_projects(request)
    choice = list_choice(request.GET)
    projects = Project.objects.of(request.user, can=Permission.GET_MAILS).told_apart(request.user).by_name()
    page = Paginator(projects, PAGE_SIZE).get_page(choice["page"])
    mine = Membership.objects.filter(user=request.user, project__in=list(page))
    own = {membership.project_id: membership for membership in mine}
    forms = [(project, MailsForm.of(own[project.pk], prefix=project.public_id)) for project in page]
    return render(request, "projects/notifications.html", {"page": page, "forms": forms})


def _choose_mails_of_projects(request: PageRequest) -> HttpResponse:
    back_to = request.get_full_path()
    if question := ask_who_it_is(request, back_to=back_to, again=CHOOSE_AGAIN):
        return question
    # A box that is not checked sends nothing, so the form names its projects.
    named = set(filter(str.isprintable, request.POST.getlist("project")[:PAGE_SIZE]))
    found = Project.objects.of(request.user, can=Permission.GET_MAILS).filter(public_id__in=named).order_by("pk")
    choices = {project: MailsForm(request.POST, prefix=project.public_id).choice() for project in found}
    services.choose_mails_of(choices, by=request.user, address=client_address(request))
    if choices:
        announce(request, "Notification settings saved.")
    if gone := len(named) - len(choices):
        them = "it" if gone == 1 else "them"
        warn(request, f"Nothing was changed for {counted(gone, 'project')}: you get no emails about {them}.")
    return redirect(back_to)


@require_POST
def choose_mails(request: PageRequest, project_id: str) -> HttpResponse:
    """The form of the settings page. It has only checkboxes and so no wrong input: it always leads back to its page."""
    project = get_project(request.user, project_id, can=Permission.GET_MAILS)
    back_to = reverse("apikeys:settings", args=[project.public_id], fragment="mails")
    # Otherwise somebody who finds an open session would first switch off the emails about what follows.
    if question := ask_who_it_is(request, back_to=back_to, again=CHOOSE_AGAIN):
        return question
    choice, address = MailsForm(request.POST).choice(), client_address(request)
    services.choose_mails(project=project, by=request.user, choice=choice, address=address)
    announce(request, "Notification settings saved.")
    return redirect(back_to)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_project(request: PageRequest, project_id: str) -> HttpResponse:
    """The confirmation: in the dialog of the settings page for htmx, otherwise as a page."""
    project = get_project(request.user, project_id, can=Permission.MANAGE_PROJECT)
    dialog = f"{page_that_asked(request)}#open-delete-project"
    back_to = dialog if request.htmx else request.path
    if question := ask_who_it_is(request, back_to=back_to, again="press Delete project again"):
        return question
    form = ConfirmNameForm(request.POST if request.method == "POST" else None, name=project.name)
    if form.is_valid():
        services.delete_project(project=project, by=request.user, address=client_address(request))
        announce(request, f"Deleted {project.name}. Requests using its keys are now rejected.")
        return redirect("projects:list")
    context = {"project": project, "delete_form": form, "in_dialog": bool(request.htmx), "ends": _what_ends(project)}
    template = "projects/delete_form.html" if request.htmx else "projects/delete.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _what_ends(project: Project) -> list[str]:
    """What a project has, in words, before it is deleted."""
    answers: list[tuple[Any, Any]] = deleting_asked.send(sender=Project, project=project)
    files = [counted(project.files.count(), "file")] if settings.BRAND.shows_files else []
    return [*(words for _, words in answers), *files, counted(project.memberships.count(), "member")]
