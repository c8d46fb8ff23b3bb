from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import ViewOnlyAdmin
from accounts.client_address import client_address
from projects.models import File, Membership, Project
from projects.names import NameField
from projects.services import delete_project, rename_project

Deletion = tuple[list[Any], dict[str, int], set[str], list[str]]


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    name = NameField()

    class Meta:
        model = Project
        fields = ("name",)


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Whoever is made an owner here was told of nothing before; see `mails_chosen_at`."""

    def save(self, commit: bool = True) -> Any:
        if self.has_changed():
            self.instance.mails_chosen_at = timezone.now()
        return super().save(commit)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    form = MembershipForm
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Deleting, here too, is the service's: keys and files end at once, the row stays as a tombstone."""

    form = ProjectForm
    fields = ("name", "public_id", "created_by", "created_at", "deleted_at")
    readonly_fields = ("public_id", "created_by", "created_at", "deleted_at")
    inlines = (MembershipInline,)
    list_display = ("name", "public_id", "created_by", "member_count", "created_at", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "public_id", "memberships__user__email", "memberships__user__public_id")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        projects: QuerySet[Project] = super().get_queryset(request)
        return projects.annotate(member_count=Count("memberships", distinct=True))

    @admin.display(description="members", ordering="member_count")
    def member_count(self, project: Any) -> int:
        return int(project.member_count)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A project begins with its owner: on the pages, or with `manage.py createproject`."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_alive(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_alive(obj)

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        rename_project(project=obj, name=obj.name, by=request.user)  # type: ignore[arg-type]

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        delete_project(project=obj, by=request.user, address=client_address(request))  # type: ignore[arg-type]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        for project in queryset:
            self.delete_model(request, project)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Deletion:
        """What the confirmation page lists: not the rows that hang on the project, which stay, but what stops."""
        ending = [project for project in objs if _is_alive(project)]
        consequences: list[Any] = []
        for project in ending:
            stops = ["its API keys: requests with them are refused at once, for good", "its files"]
            consequences += [f"Project: {project}", stops]
        return consequences, {"projects": len(ending)}, set(), []


def _is_alive(project: Project | None) -> bool:
    return project is None or project.deleted_at is None


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Where somebody is let into a project as a viewer, or made an owner."""

    form = MembershipForm
    fields = ("project", "user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("project", "user")
    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "project")
    search_fields = ("user__email", "user__public_id", "project__name", "project__public_id")
    date_hierarchy = "created_at"


@admin.register(File)
class FileAdmin(ViewOnlyAdmin):
    fields = ("name", "public_id", "project", "size", "content_type", "created_by", "created_at")
    list_display = ("name", "public_id", "project", "size", "content_type", "created_by", "created_at")
    list_filter = ("content_type",)
    list_select_related = ("project", "created_by")
    search_fields = ("name", "public_id", "project__name", "project__public_id", "created_by__email")
    date_hierarchy = "created_at"
