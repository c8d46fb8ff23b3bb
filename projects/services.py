"""Every change of a project. One keyword-only function each, atomic, taking who does it as `by`."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from projects.models import Membership, Project
from projects.names import clean_name
from projects.permissions import Role
from projects.signals import project_deleted


def create_project(*, name: str, by: User, form_token: str | None = None) -> Project:
    """A new project with `by` as its owner; the same one again for a form that is submitted twice.

    Raises ValidationError if the name breaks the rule of `clean_name`.
    """
    name = clean_name(name)
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name, created_by=by, form_token=form_token or None)
            Membership.objects.create(project=project, user=by, role=Role.OWNER)
    except IntegrityError:
        if not form_token:
            raise
        project = Project.objects.get(created_by=by, form_token=form_token)
    return project


def rename_project(*, project: Project, name: str, by: User) -> None:
    """Raises ValidationError if the name breaks the rule of `clean_name`."""
    project.name = clean_name(name)
    Project.objects.alive().filter(pk=project.pk).update(name=project.name)


def delete_project(*, project: Project, by: User | None, address: str | None = None) -> None:
    """Ends the project, its keys and its files at once, for good. Deleting it twice is quiet success."""
    with transaction.atomic():
        if not Project.objects.alive().filter(pk=project.pk).update(deleted_at=timezone.now()):
            return
        for file in project.files.all():
            storage, name = file.blob.storage, file.blob.name
            transaction.on_commit(lambda storage=storage, name=name: storage.delete(name))  # type: ignore[misc]
        project.files.all().delete()
        project_deleted.send(sender=Project, project=project, by=by, address=address)
