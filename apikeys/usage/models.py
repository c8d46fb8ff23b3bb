from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.names import CODE_LENGTH


class CallerSpan(models.TextChoices):
    """What one row of a key's callers is about."""

    DAY = "day", "day"
    REHEARSAL = "rehearsal", "rehearsal"


class KeyCaller(models.Model):
    """The requests with a key from one address, in one day of UTC or in one rehearsal."""

    pk = models.CompositePrimaryKey("key_id", "span", "starts_at", "address")
    key = models.ForeignKey("apikeys.ApiKey", on_delete=models.CASCADE, related_name="callers", db_index=False)
    span = models.CharField(max_length=CODE_LENGTH, choices=CallerSpan.choices)
    # The day, or the beginning of the rehearsal.
    starts_at = models.DateTimeField()
    # An IPv4 address, or the /64 network of an IPv6 address; "" for all other addresses together.
    address = models.CharField(max_length=43, blank=True)
    allowed = models.PositiveBigIntegerField(default=0, db_default=0)
    rejected = models.PositiveBigIntegerField(default=0, db_default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # The database's time of the insert. Housekeeping finds by it what it has not compared with earlier rows yet.
    stored_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # Old rows are deleted by it.
            models.Index(fields=["starts_at"], name="keycaller_oldest"),
            models.Index(fields=["stored_at"], name="keycaller_newest"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(span__in=CallerSpan.values), name="keycaller_span_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.address or 'other addresses'} {self.span} {self.starts_at:%Y-%m-%d}"


class CallersCompared(models.Model):
    """Up to when stored addresses were compared with earlier ones, so that owners are told of new ones. One row."""

    until = models.DateTimeField()

    class Meta:
        verbose_name_plural = "callers compared"

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M:%S}"
