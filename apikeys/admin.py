"""Keys and their events in Django admin: to be looked at, paused and re-enabled, never written by hand."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import ViewOnlyAdmin
from accounts.client_address import client_address
from apikeys.models import ApiKey, KeyEvent, UnmatchedUse
from apikeys.services import KeyGone, pause_key, resume_key

# Filtering by these would tell, guess by guess, what the pages keep to themselves.
_HIDDEN = ("digest", "ciphertext", "pepper_id", "ring_key_id", "form_token")


@admin.register(ApiKey)
class ApiKeyAdmin(ViewOnlyAdmin):
    """Never shows secret, digest or ciphertext: `fields` names what is shown, so a new column stays hidden."""

    fields = (
        "name",
        "public_id",
        "project",
        "created_by",
        "state",
        "pause_reason",
        "mask",
        "created_at",
        "paused_at",
        "deleted_at",
        "last_used_at",
        "last_used_address",
    )
    list_display = ("name", "public_id", "project", "state", "mask", "created_by", "created_at", "last_used_at")
    list_filter = ("state", "pause_reason", "created_at", "last_used_at")
    list_select_related = ("project", "created_by")
    search_fields = ("name", "public_id", "project__name", "project__public_id", "created_by__email")
    date_hierarchy = "created_at"
    # The list without filters is counted anyway.
    show_full_result_count = False
    actions = ("pause", "re_enable")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return not lookup.startswith(_HIDDEN) and super().lookup_allowed(lookup, value, request)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Django's "change" permission means Pause and Re-enable here, for nothing else can be changed."""
        return request.user.has_perm("apikeys.change_apikey")

    @admin.action(description="Pause", permissions=["switch"])
    def pause(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._switch(request, queryset, pause_key, "paused", "is paused already.")

    @admin.action(description="Re-enable", permissions=["switch"])
    def re_enable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._switch(request, queryset, resume_key, "re-enabled", "is active already.")

    def _switch(
        self,
        request: HttpRequest,
        queryset: QuerySet[ApiKey],
        change: Callable[..., bool],
        done: str,
        unchanged: str,
    ) -> None:
        changed = 0
        for key in queryset:
            try:
                if change(key=key, by=request.user, address=client_address(request)):
                    changed += 1
                else:
                    self.message_user(request, f"{key} {unchanged}", messages.INFO)
            except KeyGone:
                self.message_user(request, f"{key} was deleted for good. Nothing was changed.", messages.WARNING)
        if changed:
            noun = "key was" if changed == 1 else "keys were"
            self.message_user(request, f"{changed} API {noun} {done}.", messages.SUCCESS)


@admin.register(KeyEvent)
class KeyEventAdmin(ViewOnlyAdmin):
    fields = ("at", "kind", "key", "member", "role", "project", "by", "address")
    list_display = ("at", "kind", "key", "member", "role", "project", "by", "address")
    list_filter = ("kind", "at")
    list_select_related = ("key", "member", "project", "by")
    search_fields = ("key__name", "key__public_id", "project__name", "project__public_id", "by__email", "address")
    date_hierarchy = "at"


@admin.register(UnmatchedUse)
class UnmatchedUseAdmin(ViewOnlyAdmin):
    """Many in an hour are somebody guessing, or a program that still holds a key of another server."""

    fields = ("starts_at", "calls")
    list_display = ("starts_at", "calls")
    date_hierarchy = "starts_at"
