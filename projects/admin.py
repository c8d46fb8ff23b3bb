from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import ServiceAdmin, ViewOnlyAdmin, is_superuser
from accounts.admin_forms import SeenForm
from accounts.models import User
from common.client_address import client_address
from common.names import NameField
from projects import invitation_admin  # noqa: F401  registers its page
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import FOUND_AT
from projects.locks import lock_project
from projects.members.memberships import change_member
from projects.models import File, Membership, Project
from projects.permissions import CREATORS_ROLE, Permission, Role, permissions_of, roles_that
from projects.services import delete_project, rename_project

OWNERS_SHOWN = 5
Deletion = tuple[list[Any], dict[str, int], set[str], list[str]]


class ProjectForm(SeenForm):
    name = NameField()

    class Meta:
        model = Project
        fields = ("name",)


class MembershipForm(SeenForm):
    """A membership keeps its person and its project. Only the role changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("user", "project"):
            if self.instance.pk and name in self.fields:
                self.fields[name].disabled = True

    def clean_project(self) -> Any:
        project = self.cleaned_data["project"]
        if not _is_alive(project):
            raise ValidationError("This project was deleted. Choose another one.", code="deleted")
        return project


class MakeOwnerForm(forms.Form):
    """One active account: a member of the project, or any other."""

    member = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Choose a member")
    account = forms.CharField(
        required=False, max_length=254, label="Or another account", help_text="Its email address or id (usr_…)"
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = project.memberships.active().exclude(role__in=roles_that(Permission.OWN_PROJECT))
        field: Any = self.fields["member"]
        field.queryset = User.objects.filter(pk__in=members.values("user")).order_by("email")

    def clean(self) -> dict[str, Any]:
        member, account = self.cleaned_data.get("member"), self.cleaned_data.get("account", "").strip()
        if bool(member) == bool(account):
            raise ValidationError("Choose a member, or enter another account.", code="required")
        user = member or User.objects.having(account) or User.objects.filter(public_id=account).first()
        if user is None or not user.is_active or user.deleted_at:
            raise ValidationError("There is no active account with this address or id.", code="unknown")
        self.user: User = user
        return self.cleaned_data


class ActiveOwnerFilter(admin.SimpleListFilter):
    title, parameter_name = "active owner", "active_owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "None: nobody can manage the project")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(pk__in=Project.objects.without_active_owner()) if self.value() else queryset


def _change_member(request: HttpRequest, project: Project, user: User, role: str | None, seen: str = "") -> bool:
    """Raises ValidationError if a service, or the rule for staff with single permissions, refuses the change; or if the
    person has another role than `seen` by now, or is no member any more. Called in a transaction.
    """
    if user == request.user and not is_superuser(request):
        raise ValidationError(
            "You cannot change your own membership here. Ask a superuser to do it.", code="own_membership"
        )
    if seen and not lock_project(project).memberships.filter(user=user, role=seen).exists():
        raise ValidationError(
            f"Somebody changed the role of {user} in the meantime, or removed them.", code="changed_meanwhile"
        )
    return bool(
        change_member(
            project=project,
            user=user,
            role=Role(role) if role else None,
            by=request.user,  # type: ignore[arg-type]
            address=client_address(request),
        )
    )


def _delete(request: HttpRequest, project: Project) -> None:
    by: Any = request.user
    delete_project(project=project, by=by, address=client_address(request), needs_right=False)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    form = MembershipForm
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Project)
class ProjectAdmin(ServiceAdmin):
    """The service deletes, here too: keys and files end at once, and the row stays as a tombstone."""

    form = ProjectForm
    fields = ("name", "public_id", "active_owners", "created_by", "created_at", "deleted_at")
    readonly_fields = ("public_id", "active_owners", "created_by", "created_at", "deleted_at")
    inlines = (MembershipInline,)
    list_display = ("name", "public_id", "created_by", "member_count", "created_at", "deleted_at")
    list_filter = (ActiveOwnerFilter, ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "public_id", "memberships__user__email", "memberships__user__public_id")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        projects: QuerySet[Project] = super().get_queryset(request)
        return projects.annotate(member_count=Count("memberships", distinct=True))

    @admin.display(description="members", ordering="member_count")
    def member_count(self, project: Any) -> int:
        return int(project.member_count)

    @admin.display(description="active owners")
    def active_owners(self, project: Project) -> SafeString:
        owners = project.memberships.active().that(Permission.OWN_PROJECT).order_by("pk")
        names = ", ".join(owners.values_list("user__email", flat=True)[:OWNERS_SHOWN]) or "None"
        shown = '{}. <a href="../make-owner/">Make owner…</a>' if _is_alive(project) else "{}"
        return format_html(shown, names)

    def get_urls(self) -> list[URLPattern]:
        make_owner = self.admin_site.admin_view(self.make_owner_view)
        return [path("<int:pk>/make-owner/", make_owner, name="projects_project_make_owner"), *super().get_urls()]

    def make_owner_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The way out for a project whose owners are all deactivated."""
        if not request.user.has_perms(["projects.add_membership", "projects.change_membership"]):
            raise PermissionDenied("You need the permissions to add and to change memberships.")
        project = get_object_or_404(Project.objects.alive(), pk=pk)
        form = MakeOwnerForm(request.POST if request.method == "POST" else None, project=project)
        if form.is_valid():
            try:
                changed = _change_member(request, project, form.user, CREATORS_ROLE)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                self._made_owner(request, project, form.user, changed)
                return redirect("admin:projects_project_change", project.pk)
        context = self.admin_site.each_context(request) | {"title": f"Make owner of {project}", "project": project}
        return TemplateResponse(request, "admin/projects/project/make_owner.html", context | {"form": form})

    def _made_owner(self, request: HttpRequest, project: Project, user: User, changed: bool) -> None:
        if changed:
            self.log_change(request, project, f"Made {user} an owner.")
            self.message_user(request, f"The account {user} is now an owner. The person and all owners get an email.")
        else:
            self.message_user(request, f"The account {user} is an owner already. Nothing was changed.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A project begins with its owner: on the pages, or with `manage.py createproject`."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_alive(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_alive(obj)

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        rename_project(
            project=obj,
            name=obj.name,
            by=request.user,  # type: ignore[arg-type]
            address=client_address(request),
            needs_right=False,
        )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """New owners come first, so that the former last one can go in the same form."""
        formset.save(commit=False)
        seen = {one.instance.pk: one.initial.get("role", "") for one in formset.initial_forms}
        given = [*formset.new_objects, *(row for row, _ in formset.changed_objects)]
        # Accounts are locked in one order.
        for row in sorted(given, key=lambda row: (Permission.OWN_PROJECT not in permissions_of(row.role), row.user_id)):
            _change_member(request, row.project, row.user, row.role, seen.get(row.pk, ""))
        for row in formset.deleted_objects:
            _change_member(request, row.project, row.user, None)

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        _delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        for project in queryset:
            self.delete_model(request, project)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        """The list on the confirmation page: what stops, instead of the dependent rows, which stay."""
        ending = [project for project in objs if _is_alive(project)]
        consequences: list[Any] = []
        for project in ending:
            stops = ["its API keys: requests using them are rejected at once, for good", "its files"]
            consequences += [f"Project: {project}", stops]
        return consequences, {"projects": len(ending)}, set(), []


def _is_alive(project: Project | None) -> bool:
    return project is None or project.deleted_at is None


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    """Adds people to a project, in any role. The person and the owners get an email."""

    form = MembershipForm
    fields = ("project", "user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("project", "user")
    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "project")
    search_fields = ("user__email", "user__public_id", "project__name", "project__public_id")
    date_hierarchy = "created_at"

    def has_change_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or _is_alive(obj.project))

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or _is_alive(obj.project))

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        _change_member(request, obj.project, obj.user, obj.role, form.initial.get("role", "") if change else "")
        # The admin goes on to the row's page.
        obj.pk = obj.project.memberships.get(user=obj.user).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        _change_member(request, obj.project, obj.user, None)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """All or none. Projects are locked in the order of their ids."""
        with transaction.atomic():
            for membership in queryset.select_related("project", "user").order_by("project_id", "pk"):
                self.delete_model(request, membership)


@admin.register(File)
class FileAdmin(ViewOnlyAdmin):
    fields = ("name", "public_id", "project", "size", "content_type", "created_by", "created_at")
    list_display = ("name", "public_id", "project", "size", "content_type", "created_by", "created_at")
    list_filter = ("content_type",)
    list_select_related = ("project", "created_by")
    search_fields = ("name", "public_id", "project__name", "project__public_id", "created_by__email")
    date_hierarchy = "created_at"


@admin.register(AuditEvent)
class AuditEventAdmin(ViewOnlyAdmin):
    fields = ("at", "kind", "key", "member", "role", "before", "after", "project", "by", "address", "found_at")
    list_display = ("at", "kind", "key", "member", "role", "before", "after", "project", "by", "address")
    list_filter = ("kind", "at")
    list_select_related = ("key", "member", "project", "by")
    search_fields = ("key__name", "key__public_id", "project__name", "project__public_id", "by__email", "address")
    date_hierarchy = "at"

    @admin.display(description=FOUND_AT)
    def found_at(self, event: AuditEvent) -> str:
        return event.source or str(self.get_empty_value_display())
