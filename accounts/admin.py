"""People in Django admin, and what holds for the whole of it: how one signs in, and what is not shown."""

from collections.abc import Callable
from typing import Any

from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import services
from accounts.addresses import canonical, spellings
from accounts.admin_forms import SeenForm
from accounts.admin_login import admin_login
from accounts.models import User
from common.client_address import client_address
from common.names import clean_persons_name
from common.whole_numbers import read_whole

admin.site.site_header = "Latchkey admin"
admin.site.site_title = "Latchkey admin"
admin.site.index_title = "Users, projects and keys"
admin.site.login = admin_login(admin.site.login)  # type: ignore[method-assign, assignment]

# allauth's own pages show TOTP seeds and session ids, and attach a confirmed address to any account: each
# lets its reader in as somebody else. The imports above made allauth register them, to be taken out here.
admin.site.unregister(EmailAddress)
admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)
# Providers come from the settings alone, and no tokens are stored. A connection that staff make opens the account.
admin.site.unregister(SocialApp)
admin.site.unregister(SocialToken)
admin.site.unregister(SocialAccount)
# Django's own page lets staff with one permission put every permission into their own group.
admin.site.unregister(Group)


def is_superuser(request: HttpRequest) -> bool:
    return request.user.is_authenticated and request.user.is_superuser


def may_touch(request: HttpRequest, user: User | None) -> bool:
    """Only superusers touch the rows of staff, their own included: else one permission would lead to all others."""
    return user is None or is_superuser(request) or not (user.is_staff or user.is_superuser)


class ViewOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Rows that the services alone write."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ServiceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that are changed through services. Where a service refuses, the page says why, and nothing is changed."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._or_reason(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._or_reason(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._or_reason(request, super().changelist_view, *args, **kwargs)

    def _or_reason(self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any) -> Any:
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except ValidationError as error:
            self.message_user(request, " ".join([*error.messages, "Nothing was changed."]), messages.ERROR)
            return redirect(request.get_full_path())


class UserCreationForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        email = canonical(self.cleaned_data["email"])
        if User.objects.having(email):
            raise ValidationError("A user with this email exists already.", code="unique")
        return email


class UserEditForm(SeenForm, UserChangeForm):  # type: ignore[type-arg]
    # Django's widget shows the beginnings of salt and hash; the page links to the reset instead.
    password = None  # type: ignore[assignment]

    class Meta:
        model = User
        fields = ("name", "first_name", "last_name", "is_staff", "is_superuser", "groups", "user_permissions")

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        return clean_persons_name(typed)


@admin.register(User)
class UserAdmin(BaseUserAdmin):  # type: ignore[type-arg]
    """The email address is read-only: only its owner can prove a new one, on the account's own pages.

    Accounts are deactivated and never deleted: keys, files and events name them.
    """

    form = UserEditForm
    add_form = UserCreationForm
    add_form_template = None  # Django's speaks of a user name
    ordering = ("email",)
    list_display = ("email", "name", "public_id", "is_active", "deleted_at", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "name", "public_id", "first_name", "last_name")
    date_hierarchy = "date_joined"
    readonly_fields = ("public_id", "last_login", "date_joined", "set_password", "account")
    privileges = ("is_staff", "is_superuser", "groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "public_id", "set_password", "name", "first_name", "last_name")}),
        ("Permissions", {"fields": ("account", *privileges)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Finds an address in any spelling; rows have the canonical one."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if "@" in search_term:
            found = found | queryset.filter(email__in=spellings(search_term.strip()))
        return found, duplicates

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only superusers make superusers and staff, and hand out permissions."""
        email = ("email",) if obj else ()
        privileges = () if is_superuser(request) else self.privileges
        return (*self.readonly_fields, *email, *privileges)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a deleted account: its person was told that nobody can sign in to it any more."""
        is_deleted = obj is not None and obj.deleted_at is not None
        return not is_deleted and super().has_change_permission(request, obj) and may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/deactivate/", view(self.deactivate_view), name="accounts_user_deactivate"),
            path("<int:pk>/reactivate/", view(self.reactivate_view), name="accounts_user_reactivate"),
            *super().get_urls(),
        ]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """An address that old bookmarks have: leads to what is done instead."""
        if request.method == "GET" and read_whole(object_id, 2**63 - 1) is not None:
            return redirect("admin:accounts_user_deactivate", object_id)
        return super().delete_view(request, object_id, extra_context)

    def deactivate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self._user_to_switch(request, pk)
        if request.method != "POST":
            return self._ask(request, user, "Deactivate", services.consequences_of_deactivation(user))
        changed = services.deactivate_account(user=user, by=request.user, address=client_address(request))  # type: ignore[arg-type]
        return self._switched(request, user, "Deactivated" if changed else "")

    def reactivate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self._user_to_switch(request, pk)
        if request.method != "POST":
            return self._ask(request, user, "Reactivate", [])
        changed = services.reactivate_account(user=user, by=request.user, address=client_address(request))  # type: ignore[arg-type]
        return self._switched(request, user, "Reactivated" if changed else "")

    def _user_to_switch(self, request: HttpRequest, pk: int) -> User:
        """Nobody deactivates themselves: they could not take it back."""
        user = get_object_or_404(User, pk=pk)
        if user == request.user:
            raise PermissionDenied("You cannot deactivate your own account. Ask another superuser.")
        if user.deleted_at:
            raise PermissionDenied("The person has deleted this account. Nobody can activate it again.")
        if not self.has_change_permission(request, user):
            raise PermissionDenied("Only superusers deactivate and reactivate this account.")
        return user

    def _ask(
        self, request: HttpRequest, user: User, verb: str, consequences: list[services.Consequence]
    ) -> HttpResponse:
        if user.is_active == (verb == "Reactivate"):
            return self._switched(request, user, "")
        context = self.admin_site.each_context(request) | {"title": f"{verb} {user}?", "account": user, "verb": verb}
        context["consequences"] = consequences
        return TemplateResponse(request, "admin/accounts/user/switch.html", context)

    def _switched(self, request: HttpRequest, user: User, done: str) -> HttpResponse:
        if done:
            self.log_change(request, user, f"{done}.")
            self.message_user(request, f"{done} the account {user}.", messages.SUCCESS)
        else:
            self.message_user(request, f"Someone did this to the account {user} before. Nothing was changed.")
        return redirect("admin:accounts_user_change", user.pk)

    @admin.display(description="account")
    def account(self, user: User) -> SafeString | str:
        if not user.pk:
            return "-"
        if user.deleted_at:
            return f"Deleted by its person on {user.deleted_at:%d %B %Y}. It cannot be activated again."
        said = ("Active", "deactivate", "Deactivate") if user.is_active else ("Deactivated", "reactivate", "Reactivate")
        return format_html('{}. <a href="../{}/">{}…</a>', *said)

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A person's password opens all that they own, so that no permission but a superuser's is enough to set it."""
        if not is_superuser(request):
            raise PermissionDenied
        return super().user_change_password(request, *args, **kwargs)

    @admin.display(description="password")
    def set_password(self, user: User) -> SafeString | str:
        if not user.pk:
            return "-"
        state = "Set" if user.has_usable_password() else "None: this user cannot log in with a password"
        return format_html('{}. <a href="../password/">Set a new one</a>', state)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin):
    """Only superusers change groups: a group hands out permissions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)


@admin.register(Authenticator)
class AuthenticatorAdmin(ViewOnlyAdmin):
    """Second factors without their seeds. Deleting one lets in a person who has lost it."""

    fields = ("user", "type", "created_at", "last_used_at")
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__public_id")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj) and may_touch(request, obj and obj.user)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return not lookup.startswith("data") and super().lookup_allowed(lookup, value, request)
