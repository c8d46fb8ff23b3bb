"""Counts of requests: by key, by project, without a key, and by address."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apikeys.refusals import OUTCOMES
from common.names import CODE_LENGTH
from projects.models import Project


class Span(models.TextChoices):
    """The length of time of one row of counted requests."""

    HOUR = "hour", "hour"
    DAY = "day", "day"
    MONTH = "month", "month"


class KeyUse(models.Model):
    """The requests with a key that ended in one way, in one hour, day or month of UTC. usage/counting.py counts them.

    Every request is counted in the rows of its hour, its day and its month, so folding hours into days only deletes the
    hours.
    """

    # The order in which figures are read: a key's hours, days or months of a period.
    pk = models.CompositePrimaryKey("key_id", "span", "starts_at", "outcome")
    key = models.ForeignKey("apikeys.ApiKey", on_delete=models.CASCADE, related_name="use", db_index=False)
    span = models.CharField(max_length=CODE_LENGTH, choices=Span.choices)
    starts_at = models.DateTimeField()
    outcome = models.CharField(max_length=CODE_LENGTH, choices=[*OUTCOMES.items()])
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(span__in=Span.values), name="keyuse_span_is_known"),
            models.CheckConstraint(condition=Q(outcome__in=[*OUTCOMES]), name="keyuse_outcome_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.outcome} {self.span} {self.starts_at:%Y-%m-%d %H:%M}: {self.calls}"


class ProjectUse(models.Model):
    """The requests of a day with all keys of a project. A year's chart reads these rows instead of every key's."""

    pk = models.CompositePrimaryKey("project_id", "starts_at", "outcome")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="use", db_index=False)
    starts_at = models.DateTimeField()
    outcome = models.CharField(max_length=CODE_LENGTH, choices=[*OUTCOMES.items()])
    calls = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.project_id} {self.outcome} {self.starts_at:%Y-%m-%d}: {self.calls}"


class UnmatchedUse(models.Model):
    """The rejected requests of an hour that matched no key of a living project. No owner can see them."""

    starts_at = models.DateTimeField(primary_key=True)
    calls = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = verbose_name_plural = "calls that matched no key"
        ordering = ["-starts_at"]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}: {self.calls}"


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
