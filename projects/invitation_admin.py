"""Invitations in the admin: to look at, without their tokens, and to revoke."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import ViewOnlyAdmin
from common.client_address import client_address
from common.plurals import counted
from projects.invitations.models import Invitation
from projects.invitations.services import revoke_pending

# A filter on these columns would reveal, guess by guess, the digest of a token.
_HIDDEN = ("mailed_digest", "link_digest")


class PendingFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "Pending, expired ones too")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.pending() if self.value() else queryset


@admin.register(Invitation)
class InvitationAdmin(ViewOnlyAdmin):
    """Invitations that ended are deleted after a while. The audit log keeps who invited whom."""

    fields = ("email", "public_id", "project", "role", "by", "created_at", "expires_at", "state")
    readonly_fields = ("state",)
    list_display = ("email", "public_id", "project", "role", "by", "state", "created_at", "expires_at")
    list_filter = (PendingFilter, "role", "created_at")
    list_select_related = ("project", "by", "accepted_by")
    search_fields = ("email", "public_id", "project__name", "project__public_id", "by__email")
    date_hierarchy = "created_at"
    actions = ("revoke",)

    @admin.display(description="state")
    def state(self, invitation: Invitation) -> str:
        if invitation.accepted_by:
            return f"Accepted by {invitation.accepted_by}"
        if invitation.revoked_at:
            return "Revoked"
        return "Expired" if invitation.is_expired(timezone.now()) else "Pending"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return not lookup.startswith(_HIDDEN) and super().lookup_allowed(lookup, value, request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Django's "change" permission means Revoke here, because nothing else can be changed."""
        return request.user.has_perm("projects.change_invitation")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        living = queryset.filter(project__deleted_at=None)
        number = revoke_pending(living, by=request.user, address=client_address(request))  # type: ignore[arg-type]
        if number:
            self.message_user(request, f"{counted(number, 'invitation')} revoked.", messages.SUCCESS)
        else:
            self.message_user(request, "None of these invitations is pending. Nothing was changed.", messages.INFO)
