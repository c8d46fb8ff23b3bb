"""Every change of a project. One keyword-only function each, atomic, taking who does it as `by`."""

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.names import clean_name
from common.plurals import counted
from projects import audit_kinds
from projects.audit_log.recording import record
from projects.files.storage import delete_bytes_on_commit
from projects.locks import NoLongerAllowed, ProjectGone, lock_for, lock_users, refuse_without_right
from projects.members.memberships import change_member
from projects.members.owned_projects import refuse_another_project
from projects.models import Membership, Project
from projects.permissions import CREATORS_ROLE, Permission
from projects.signals import deletion_begun, project_deleted

# The kinds of emails that a member can switch off: `mail_created` of Membership, and so on.
MAIL_KINDS = ("created", "deleted", "revealed", "reported", "ending", "new_address")


class ProjectRenamed(Exception):
    """Somebody else has renamed the project since the person saw its name."""


def create_project(
    *, name: str, owner: User, by: User | None, form_token: str | None = None, address: str | None = None
) -> Project:
    """A new project of `owner`; the same one again for a form that is submitted twice.

    Raises ValidationError if the name breaks the rule of `clean_name`, if this form created a project of another name
    or one that was deleted since, or at one of the account's limits; and NoLongerAllowed for an account that was
    deleted or deactivated in the meantime.
    """
    name = clean_name(name)
    with transaction.atomic():
        lock_users([owner.pk])
        if not User.objects.filter(pk=owner.pk, is_active=True, deleted_at=None).exists():
            raise NoLongerAllowed
        if form_token and (project := Project.objects.filter(created_by=owner, form_token=form_token).first()):
            if project.deleted_at:
                raise ValidationError(
                    "The project that this form created was deleted. Reload the page.", code="form_used"
                )
            if project.name != name:
                raise ValidationError(
                    f"This form was used before: it created the project {project.name}. Nothing else was done. Reload "
                    "the page and try again.",
                    code="form_used",
                )
            return project
        refuse_another_project(owner)
        _refuse_too_many_deleted(owner)
        project = Project.objects.create(name=name, created_by=owner, form_token=form_token or None)
        change_member(project=project, user=owner, role=CREATORS_ROLE, by=by, address=address)
    return project


def _refuse_too_many_deleted(owner: User) -> None:
    """Called with the account locked."""
    deleted = Project.objects.filter(created_by=owner, deleted_at__isnull=False).count()
    if deleted >= (limit := settings.MAX_DELETED_PROJECTS_PER_USER):
        raise ValidationError(
            f"This account has reached its limit of {counted(limit, 'deleted project')}. Ask an administrator of "
            "this server for more.",
            code="too_many_deleted_projects",
        )


def rename_project(
    *,
    project: Project,
    name: str,
    by: User,
    address: str | None = None,
    seen: str | None = None,
    needs_right: bool = True,
) -> bool:
    """Leaves an event with both names. False for the same name again.

    `seen` is the name that the person saw. Without `needs_right`, `by` is staff in the admin. Raises ProjectRenamed if
    the project has neither that nor `name` by now, ValidationError if the name breaks the rule of `clean_name`,
    NoLongerAllowed and ProjectGone.
    """
    name = clean_name(name)
    with transaction.atomic():
        before = lock_for(project, by=by if needs_right else None, can=Permission.MANAGE_PROJECT).name
        if seen is not None and before not in (seen, name):
            raise ProjectRenamed
        project.name = name
        if before == name:
            return False
        Project.objects.filter(pk=project.pk).update(name=name)
        record(audit_kinds.PROJECT_RENAMED, project=project, by=by, address=address, before=before, after=name)
    return True


def choose_mails(*, project: Project, by: User, choice: Mapping[str, bool], address: str | None = None) -> None:
    """Which emails about the project's keys `by` gets; it is each member's own choice. A change is an event.

    `choice` says for each of MAIL_KINDS whether it is on. A change is dated, so that audit_log/owner_emails.py knows of
    which events the member was told. Members whose role gets no emails have no choice: raises NoLongerAllowed.
    """
    with transaction.atomic():
        told = Membership.objects.that(Permission.GET_MAILS).select_for_update()
        member = told.filter(project=project, user=by).first()
        if member is None:
            refuse_without_right(project, by, Permission.GET_MAILS)
        if member is None or all(getattr(member, f"mail_{kind}") == choice[kind] for kind in MAIL_KINDS):
            return
        before = _switched_on(member)
        for kind in MAIL_KINDS:
            setattr(member, f"mail_{kind}", choice[kind])
        member.mails_chosen_at = timezone.now()
        member.save(update_fields=[*(f"mail_{kind}" for kind in MAIL_KINDS), "mails_chosen_at"])
        event, after = audit_kinds.NOTIFICATIONS_CHANGED, _switched_on(member)
        record(event, project=project, by=by, address=address, before=before, after=after)


def choose_mails_of(choices: Mapping[Project, Mapping[str, bool]], *, by: User, address: str | None = None) -> None:
    """The choices of several projects, all or none."""
    with transaction.atomic():
        for project, choice in choices.items():
            choose_mails(project=project, by=by, choice=choice, address=address)


def _switched_on(member: Membership) -> str:
    """The kinds of emails that the member gets, as words."""
    return ", ".join(kind for kind in MAIL_KINDS if getattr(member, f"mail_{kind}")) or "none"


def delete_project(*, project: Project, by: User | None, address: str | None = None, needs_right: bool = True) -> None:
    """Ends the project, its keys and its files at once, for good. Deleting it twice is quiet success.

    Without `needs_right`, `by` is staff in the admin. Raises NoLongerAllowed.
    """
    with transaction.atomic():
        deletion_begun.send(sender=Project, project=project)
        try:
            lock_for(project, by=by if needs_right else None, can=Permission.MANAGE_PROJECT)
        except ProjectGone:
            return
        Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now())
        for file in project.files.all():
            delete_bytes_on_commit(file)
        project.files.all().delete()
        project_deleted.send(sender=Project, project=project, by=by, address=address)
