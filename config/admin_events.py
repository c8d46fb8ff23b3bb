"""The security log's lines for changes in the admin. Keys, members and accounts also have lines of their own."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin import actions
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import QuerySet
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.template.response import TemplateResponse

from common.security_log import Event, record, record_on_commit

_EVENTS = {ADDITION: Event.ADMIN_ADDED, CHANGE: Event.ADMIN_CHANGED, DELETION: Event.ADMIN_DELETED}


@receiver(post_save, sender=LogEntry)
def note_admin_change(instance: LogEntry, **kwargs: Any) -> None:
    """Logs a change on a page of the admin. Django sends no signal when several rows are deleted at once."""
    kind = instance.content_type
    row = (
        kind.model_class()._base_manager.filter(pk=instance.object_id).first() if kind and kind.model_class() else None
    )
    record_on_commit(
        _EVENTS[instance.action_flag],
        account=instance.user,
        model=kind.model if kind else None,
        object=getattr(row, "public_id", instance.object_id),
        fields=_changed_fields(instance.change_message),
    )


def _changed_fields(message: str) -> str:
    """The names of the changed fields. The rest of the message may contain addresses."""
    try:
        parts = json.loads(message or "[]")
    except ValueError:
        return ""
    changes = [part["changed"] for part in parts if part.get("changed")]
    return ", ".join(field for change in changes for field in change.get("fields", []))


@admin.action(description="Delete selected %(verbose_name_plural)s", permissions=["delete"])
def delete_selected(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> TemplateResponse | None:
    """Django's own action, with a line for each deleted row."""
    names = [(row, getattr(row, "public_id", str(row.pk))) for row in queryset]
    answer = actions.delete_selected(modeladmin, request, queryset)
    if answer is None and len(names) > 1:
        for row, name in names:
            record(Event.ADMIN_DELETED, account=request.user, model=row._meta.model_name, object=name)
    return answer


admin.site.add_action(delete_selected, "delete_selected")
