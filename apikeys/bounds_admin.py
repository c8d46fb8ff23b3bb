"""What a key may do, and the limits of a project, in Django admin: shown, and changed through the services alone."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.sign_in.recent_authentication import ask_who_it_is
from apikeys.bounds import in_words
from apikeys.bounds.restrictions import Restrictions, Unreadable, read_limits
from apikeys.bounds.services import RestrictionsChanged, limit_project, restrict_key
from apikeys.bounds_admin_forms import LimitsForm, RestrictionsForm, all_in_words
from apikeys.models import ApiKey
from common.client_address import client_address
from projects.admin import ProjectAdmin
from projects.models import Project

UNREADABLE = "Only a newer release can read this. Here, every request is answered 503."
CHANGED = "Changed. It holds for the next request."
UNCHANGED = "It was so already. Nothing was changed."

# Changes the row as the form says; False if it was so already. Raises RestrictionsChanged or ValidationError.
Change = Callable[[LimitsForm, User, str | None], bool]


def restrictions_shown(key: ApiKey) -> SafeString:
    try:
        words = all_in_words(key.bounds)
    except Unreadable:
        return format_html("{}", UNREADABLE)
    return format_html("{}" if key.is_deleted else '{}. <a href="../restrict/">Change…</a>', words)


def restrict_view(page: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:  # type: ignore[type-arg]
    """The page with the form that changes what a key may do."""
    if not request.user.has_perm("apikeys.change_apikey"):
        raise PermissionDenied("You need the permission to change API keys.")
    key = get_object_or_404(ApiKey.objects.alive(), pk=pk)

    def change(form: LimitsForm, by: User, address: str | None) -> bool:
        seen = form.cleaned_data["seen"]
        return restrict_key(key=key, restrictions=form.chosen, by=by, address=address, seen=seen, needs_right=False)

    return _answer(page, request, key, RestrictionsForm, lambda: ApiKey.objects.get(pk=pk).bounds, change)


class LimitedProjectAdmin(ProjectAdmin):
    """The projects' own admin, with the limits of all keys together, which lie in an app above it."""

    fields = (*ProjectAdmin.fields, "limits_of_all_keys")  # type: ignore[assignment]
    readonly_fields = (*ProjectAdmin.readonly_fields, "limits_of_all_keys")  # type: ignore[assignment]

    @admin.display(description="limits of all keys together")
    def limits_of_all_keys(self, project: Project) -> SafeString:
        try:
            words = in_words.limits(read_limits(project.limits))
        except Unreadable:
            return format_html("{}", UNREADABLE)
        return format_html("{}" if project.deleted_at else '{}. <a href="../limits/">Change…</a>', words)

    def get_urls(self) -> list[URLPattern]:
        limits = self.admin_site.admin_view(self.limits_view)
        return [path("<int:pk>/limits/", limits, name="projects_project_limits"), *super().get_urls()]

    def limits_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm("projects.change_project"):
            raise PermissionDenied("You need the permission to change projects.")
        project = get_object_or_404(Project.objects.alive(), pk=pk)

        def change(form: LimitsForm, by: User, address: str | None) -> bool:
            seen = form.cleaned_data["seen"].limits
            return limit_project(project=project, limits=form.chosen.limits, by=by, address=address, seen=seen)

        now = lambda: Restrictions(limits=read_limits(Project.objects.get(pk=pk).limits))  # noqa: E731
        return _answer(self, request, project, LimitsForm, now, change)


admin.site.unregister(Project)
admin.site.register(Project, LimitedProjectAdmin)


def _answer(
    page: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    row: Any,
    form_class: type[LimitsForm],
    now: Callable[[], Restrictions],
    change: Change,
) -> HttpResponse:
    """The page with the form, or the way back to the row once it is changed."""
    # A stolen session must not widen what keys may do. Asked before anything is typed.
    if question := ask_who_it_is(request, back_to=request.get_full_path()):  # type: ignore[arg-type]
        return question
    back = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    try:
        form = form_class(request.POST if request.method == "POST" else None, had=now())
        if form.is_valid() and _save(page, request, row, form, now, change):
            return redirect(back)
    except Unreadable:
        page.message_user(request, UNREADABLE, "ERROR")
        return redirect(back)
    context = page.admin_site.each_context(request) | {"form": form, "row": row, "opts": page.opts, "back": back}
    context["title"] = f"What {row} may do" if isinstance(row, ApiKey) else f"Limits of {row}"
    return TemplateResponse(request, "admin/bounds.html", context)


def _save(
    page: admin.ModelAdmin,  # type: ignore[type-arg]
    request: HttpRequest,
    row: Any,
    form: LimitsForm,
    now: Callable[[], Restrictions],
    change: Change,
) -> bool:
    """False if the form is wrong after all, and now has an error."""
    try:
        changed = change(form, request.user, client_address(request))  # type: ignore[arg-type]
    except RestrictionsChanged:
        form.show_change(now())
        return False
    except ValidationError as error:
        form.add_error(None, error)
        return False
    if changed:
        page.log_change(request, row, [{"changed": {"fields": form.changed_data}}])
    page.message_user(request, CHANGED if changed else UNCHANGED)
    return True
