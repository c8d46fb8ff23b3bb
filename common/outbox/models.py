from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.dispatch import Signal
from django.utils import timezone

from common.names import CODE_LENGTH
from common.public_ids import new_public_id


def new_email_id() -> str:
    return new_public_id("eml")


class Lane(models.TextChoices):
    """Each lane has room and threads of its own: a flood of password resets does not delay news of a stolen key."""

    OWNERS = "owners", "Notice to owners"
    ACCOUNTS = "accounts", "About an account"


class State(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"


# Sent, with `email`, when an email was given up or dropped, so that nobody takes it for read.
email_lost = Signal()

# The states in which an email can still be sent. Only then does its row hold the words.
SENDABLE = (State.WAITING, State.FAILED)


class EmailQuerySet(models.QuerySet["Email"]):
    def waiting(self, lane: Lane) -> EmailQuerySet:
        return self.filter(lane=lane, state=State.WAITING)

    def due(self, lane: Lane, now: datetime) -> EmailQuerySet:
        return self.waiting(lane).filter(due_at__lte=now)


class Email(models.Model):
    """One email, to one person. Subject, text and recipient are sealed in `ciphertext` and wiped once it was sent."""

    public_id = models.CharField("id", max_length=20, unique=True, default=new_email_id, editable=False)
    lane = models.CharField("kind", max_length=CODE_LENGTH, choices=Lane.choices)
    # The id that the log and the admin name the email by. It tells nothing of the words or the recipient.
    about = models.CharField(max_length=32)
    # The project or the client's network that made Latchkey write the email. Each cause gets its fair share of a lane.
    cause = models.CharField(max_length=64, blank=True)
    # A keyed digest: it tells whether two emails go to the same person, and nothing else.
    recipient = models.BinaryField(max_length=32)
    ciphertext = models.BinaryField(null=True)
    ring_key_id = models.CharField(max_length=16, blank=True)
    state = models.CharField(max_length=CODE_LENGTH, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField("written", default=timezone.now, editable=False)
    # When somebody may try to send the email. A process that tries moves this time beyond the end of its try first:
    # that is its claim, and no other process takes the email until the claim has expired.
    due_at = models.DateTimeField("next try", default=timezone.now)
    # Tries that came to an end. A try that was killed with its process is not counted.
    tries = models.PositiveIntegerField(default=0)
    # A code that has expired is not sent late.
    useless_at = models.DateTimeField("useless after", null=True)
    settled_at = models.DateTimeField("sent or given up", null=True)
    # The error's name and the server's reply codes. Mail servers repeat addresses in their words.
    last_error = models.CharField(max_length=200, blank=True)

    objects = EmailQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(lane__in=Lane.values), name="email_lane_is_known"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="email_state_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=SENDABLE, ciphertext__isnull=False)
                | (~Q(state__in=SENDABLE) & Q(ciphertext__isnull=True)),
                name="email_has_words_while_sendable",
            ),
            models.CheckConstraint(
                condition=Q(ciphertext__isnull=True, ring_key_id="")
                | (Q(ciphertext__isnull=False) & ~Q(ring_key_id="")),
                name="email_ciphertext_names_its_ring_key",
            ),
            models.CheckConstraint(
                condition=Q(state=State.WAITING, settled_at__isnull=True)
                | (~Q(state=State.WAITING) & Q(settled_at__isnull=False)),
                name="email_settled_unless_waiting",
            ),
        ]
        indexes = [
            models.Index(fields=["lane", "due_at"], condition=Q(state="waiting"), name="email_waiting"),
            models.Index(fields=["lane", "state", "settled_at"], name="email_settled"),
        ]

    def __str__(self) -> str:
        return self.public_id
