from django.db import models
from django.db.models import Q
from django.utils import timezone

from common.names import CODE_LENGTH


class Notice(models.TextChoices):
    """What the owners of a key are told once about its end, and what is recorded once about it."""

    WEEK = "week", "it ends in a week"
    DAY = "day", "it ends in a day"
    EXPIRED = "expired", "it has expired"
    LAST_HOUR = "last_hour", "it was rolled, is in use, and ends in an hour"
    QUIET = "quiet", "it was rolled and is quiet"


class KeyNotice(models.Model):
    """A notice that was sent, in the transaction that queued its emails. Another end of the key deletes the row."""

    key = models.ForeignKey("apikeys.ApiKey", on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=CODE_LENGTH, choices=Notice.choices)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "kind"], name="keynotice_once"),
            models.CheckConstraint(condition=Q(kind__in=Notice.values), name="keynotice_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id}: {self.get_kind_display()}"
