"""Admin pages of what no app owns."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import ViewOnlyAdmin
from common.outbox import claims
from common.outbox.models import Email
from common.plurals import counted

# The words of an email are nobody's business but its reader's.
_HIDDEN = ("ciphertext", "ring_key_id", "recipient")


@admin.register(Email)
class EmailAdmin(ViewOnlyAdmin):
    """What waits, was sent or was given up, without recipients and words."""

    fields = (
        *("public_id", "lane", "about", "cause", "state", "created_at"),
        *("tries", "due_at", "useless_at", "settled_at", "last_error"),
    )
    list_display = ("public_id", "lane", "about", "state", "tries", "created_at", "due_at", "settled_at", "last_error")
    list_filter = ("state", "lane")
    search_fields = ("=public_id", "=about")
    ordering = ("-pk",)
    actions = ("send_again",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return not lookup.startswith(_HIDDEN) and super().lookup_allowed(lookup, value, request)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Django's "change" permission means Send again here, because nothing else can be changed."""
        return request.user.has_perm("outbox.change_email")

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Email]) -> None:
        emails: list[Any] = claims.send_again(queryset, timezone.now())
        for email in emails:
            self.log_change(request, email, "Sent again.")
        if emails:
            wait = "waits" if len(emails) == 1 else "wait"
            self.message_user(request, f"{counted(len(emails), 'email')} {wait} to be sent again.", messages.SUCCESS)
        else:
            words = "None of these emails has failed, or their codes have expired. Nothing was changed."
            self.message_user(request, words, messages.INFO)
