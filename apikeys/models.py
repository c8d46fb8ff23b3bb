from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, Q, When
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.restrictions import read as read_restrictions
from apikeys.standing import (
    AHEAD,
    PASSED,
    REPORTED,
    STANDINGS,
    EndReason,
    Facts,
    KeyState,
    PauseReason,
    Standing,
    standing_of,
    standings_of,
)
from common.names import CODE_LENGTH, MAX_LENGTH, MAX_NOTE
from common.public_ids import new_public_id
from projects.models import Project

if TYPE_CHECKING:
    from apikeys.lifetimes.rehearsals import Rehearsal
    from apikeys.limits.resting import KeyBudgets, Used
    from apikeys.usage.figures import KeyFigures

RECENTLY = timedelta(days=7)
# How long before a key's end pages warn of it.
SOON = timedelta(days=7)
QUIET_AFTER = timedelta(hours=24)


# The states of keys that their owners still manage.
LIVING = [state for state in KeyState if state != KeyState.DELETED]


def new_key_id() -> str:
    return new_public_id("key")


# The columns of the facts that decide a key's standing.
_FACTS = {
    "state": "state",
    "pause_reason": "pause_reason",
    "responsible_is_active": "responsible__is_active",
    "resumes_at": "resumes_at",
    "expires_at": "expires_at",
}
# Those among them that the key's own row has.
STORED_FACTS = [column for column in _FACTS.values() if "__" not in column]


def _is(fact: str, value: object) -> Q:
    column = _FACTS[fact]
    if value is PASSED:
        return Q(**{f"{column}__lte": Now()})
    if value is AHEAD:
        return Q(**{column: None}) | Q(**{f"{column}__gt": Now()})
    return Q(**{column: value})


def holds(standing: Standing) -> Q:
    """The standing's conditions as a query. A later standing in STANDINGS may hold too, and then counts."""
    any_of = [reduce(and_, (_is(fact, value) for fact, value in facts.items())) for facts in standing.where]
    return reduce(or_, any_of)


NOT_ENDED = Q(state__in=[KeyState.ACTIVE, KeyState.PAUSED]) & _is("expires_at", AHEAD)

# A key's place in STANDINGS, for lists that are sorted by standing. The last standing whose conditions hold is the
# key's.
STANDING_ORDER = Case(
    *(When(holds(standing), then=place) for place, standing in reversed([*enumerate(STANDINGS)][1:])), default=0
)


def _has_come(at: datetime | None) -> bool:
    return at is not None and at <= timezone.now()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def alive(self) -> ApiKeyQuerySet:
        """Keys that their owners still manage: all but deleted keys.

        The query names the states, so that an index finds these keys among any number of deleted ones.
        """
        return self.filter(state__in=LIVING)

    def not_ended(self) -> ApiKeyQuerySet:
        """Living keys whose end has not come. They count towards the limit on keys."""
        return self.filter(NOT_ENDED)

    def standing_as(self, *standings: Standing) -> ApiKeyQuerySet:
        """The keys whose standing is one of these."""
        places = [STANDINGS.index(standing) for standing in standings]
        return self.alias(_standing=STANDING_ORDER).filter(_standing__in=places)

    def deleted(self) -> ApiKeyQuerySet:
        return self.filter(state=KeyState.DELETED)


class ApiKey(models.Model):
    """A key of a project. The secret itself is never stored: a digest finds the key, and a ciphertext shows the secret
    again.

    A key of a project that does not store secrets has no ciphertext. A deleted key stays as a tombstone without a
    ciphertext: its digest lets the API say `key_deleted`.
    """

    public_id = models.CharField("id", max_length=20, unique=True, default=new_key_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    # The person for whom the key works: its creator, until somebody takes the key over. The column keeps its first
    # name, because the previous release reads it.
    responsible = models.ForeignKey(User, on_delete=models.PROTECT, related_name="keys", db_column="created_by_id")
    # The person who created the key, if somebody has taken it over since; None otherwise.
    creator = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    name = models.CharField(max_length=MAX_LENGTH)
    state = models.CharField(
        max_length=CODE_LENGTH,
        choices=[(state.value, state.label) for state in KeyState],
        default=KeyState.ACTIVE.value,
    )
    mask = models.CharField(max_length=40)
    digest = models.BinaryField(max_length=32, unique=True)
    pepper_id = models.CharField(max_length=16)
    ciphertext = models.BinaryField(null=True)
    ring_key_id = models.CharField(max_length=16, blank=True)
    form_token = models.CharField(max_length=64, null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    paused_at = models.DateTimeField(null=True)
    # Empty if the key is not paused, or if a person simply pressed Pause.
    pause_reason = models.CharField(
        max_length=CODE_LENGTH,
        choices=[(PauseReason.REPORTED.value, REPORTED.label.lower())],
        blank=True,
        default="",
        db_default="",
    )
    # The instant at which a pause ends by itself, and its reason for people. Both are empty if the key is not paused.
    resumes_at = models.DateTimeField(null=True)
    pause_note = models.CharField(max_length=MAX_NOTE, blank=True, default="", db_default="")
    # The last pause of at most an hour: when it began, and when it ended.
    rehearsal_began_at = models.DateTimeField(null=True)
    rehearsal_ended_at = models.DateTimeField(null=True)
    # The instant at which the key stops working, None for never, and who chose it. `ended` keys stopped at it.
    expires_at = models.DateTimeField(null=True)
    end_reason = models.CharField(
        max_length=CODE_LENGTH,
        choices=[(reason.value, reason.value) for reason in EndReason],
        blank=True,
        default="",
        db_default="",
    )
    # Whether the key ends earlier, as soon as it has been quiet.
    ends_when_quiet = models.BooleanField(default=False, db_default=False)
    # The key that this key was created to replace.
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    deleted_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField("last used", null=True)
    last_used_address = models.GenericIPAddressField(null=True)
    # Requests that were rejected since the key was paused, expired or was deleted. Each of these resets the number.
    refused_calls = models.PositiveBigIntegerField(default=0, db_default=0)
    last_refused_at = models.DateTimeField(null=True)
    last_refused_address = models.GenericIPAddressField(null=True)
    # What the key may do: access, networks and limits (apikeys/bounds/restrictions.py). None: everything.
    restrictions = models.JSONField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    # Set by `figures.with_figures`; None if the key was loaded in another way.
    figures: KeyFigures | None = None
    # Set by `rehearsals.with_rehearsals`.
    rehearsal: Rehearsal | None = None
    # Set by `resting_keys.with_budgets`.
    budgets: KeyBudgets | None = None

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project", "state", "-created_at", "-id"], name="apikey_list_of_project"),
            models.Index(fields=["state", "-created_at", "-id"], name="apikey_list_of_all"),
        ]
        constraints = [
            models.UniqueConstraint(
                "project",
                Lower("name"),
                condition=~Q(state=KeyState.DELETED),
                name="apikey_name_unique_among_living",
                violation_error_message="This project already has a key of that name.",
            ),
            models.UniqueConstraint(fields=["project", "form_token"], name="apikey_once_per_submitted_form"),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in KeyState]), name="apikey_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state=KeyState.PAUSED, paused_at__isnull=False)
                | (~Q(state=KeyState.PAUSED) & Q(paused_at__isnull=True)),
                name="apikey_paused_at_while_paused",
            ),
            models.CheckConstraint(
                condition=Q(pause_reason="")
                | Q(state=KeyState.PAUSED, pause_reason__in=[reason.value for reason in PauseReason]),
                name="apikey_pause_reason_while_paused",
            ),
            models.CheckConstraint(
                condition=Q(state=KeyState.PAUSED) | Q(resumes_at__isnull=True, pause_note=""),
                name="apikey_pause_ends_while_paused",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=False)
                | (~Q(state=KeyState.ENDED) & Q(end_reason="", ends_when_quiet=False)),
                name="apikey_end_has_an_instant",
            ),
            models.CheckConstraint(
                condition=Q(end_reason__in=["", *(reason.value for reason in EndReason)]),
                name="apikey_end_reason_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state=KeyState.DELETED, deleted_at__isnull=False, ciphertext__isnull=True)
                | (~Q(state=KeyState.DELETED) & Q(deleted_at__isnull=True)),
                name="apikey_tombstone_has_no_ciphertext",
            ),
            models.CheckConstraint(
                condition=Q(ciphertext__isnull=True, ring_key_id="")
                | (Q(ciphertext__isnull=False) & ~Q(ring_key_id="")),
                name="apikey_ciphertext_names_its_ring_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def bounds(self) -> Restrictions:
        """What the key may do. Raises Unreadable."""
        return read_restrictions(self.restrictions)

    @property
    def resting_quota(self) -> Used | None:
        """The key's quota if it is used up, for a key with `budgets`. The key works again when it starts anew."""
        quota = self.budgets.quota if self.budgets and self.is_active else None
        return quota if quota and quota.is_spent else None

    @property
    def created_by(self) -> User:
        return self.creator or self.responsible

    @property
    def is_handed_over(self) -> bool:
        """Whether somebody else than the creator is responsible for the key."""
        return self.creator_id not in (None, self.responsible_id)

    @property
    def was_used_recently(self) -> bool:
        """Whether a request came in the last 7 days. Then deleting the key asks for its name."""
        return self.last_used_at is not None and self.last_used_at > timezone.now() - RECENTLY

    @property
    def is_unused_lately(self) -> bool:
        """Whether the key was used, and its last use was at least QUIET_AFTER ago."""
        return self.last_used_at is not None and self.last_used_at <= timezone.now() - QUIET_AFTER

    @property
    def is_quiet(self) -> bool:
        """Whether the key was used, but not in the last 24 hours. People check this before they delete the old key of a
        roll.
        """
        return self.is_active and self.is_unused_lately

    @property
    def ends_soon(self) -> bool:
        """Whether the key's end comes in the next 7 days."""
        if self.expires_at is None or self.is_deleted or self.is_expired:
            return False
        return self.expires_at <= timezone.now() + SOON

    @property
    def or_when_quiet(self) -> str:
        """Words for behind the key's end, if it ends earlier once it is quiet. Housekeeping ends it then, also if the
        key that replaces it is gone.
        """
        return ", or as soon as it is quiet" if self.ends_when_quiet and not self.is_expired else ""

    @cached_property
    def is_being_rolled(self) -> bool:
        """Whether another key replaces this one and works. Lists set it; otherwise it is a query."""
        return not (self.is_deleted or self.is_expired) and self.replaced_by.not_ended().exists()

    @property
    def stopped_at(self) -> datetime | None:
        """When the key's requests began to be rejected; None while they are allowed.

        A key may have expired during its pause, or soon after it. Until the end of the pause is written down, the
        rejected requests are counted since the pause.
        """
        if self.is_deleted:
            return self.deleted_at
        return (self.paused_at or self.expires_at) if self.is_paused or self.is_expired else None

    @property
    def is_active(self) -> bool:
        """Whether only the account of the person responsible can keep the key from working."""
        return not (self.is_deleted or self.is_paused or self.is_expired)

    @property
    def needs_a_person(self) -> bool:
        """Whether only the deactivated account of the person responsible keeps the key from working."""
        return self.is_active and not self.responsible.is_active

    @property
    def is_paused(self) -> bool:
        """Whether the key is paused and its pause has not ended by itself."""
        return self.state == KeyState.PAUSED and not _has_come(self.resumes_at)

    @property
    def is_reported(self) -> bool:
        """Whether the key is paused because somebody who has its secret reported it as leaked."""
        return self.is_paused and self.pause_reason == PauseReason.REPORTED

    @property
    def is_expired(self) -> bool:
        """Whether somebody ended the key or its end has come. A paused key can be expired as well."""
        return self.state == KeyState.ENDED or (not self.is_deleted and _has_come(self.expires_at))

    @property
    def is_deleted(self) -> bool:
        return self.state == KeyState.DELETED

    @property
    def facts(self) -> Facts:
        """The facts that decide the key's standing. This is a query if `responsible` was not selected with the key."""
        resumes_at, expires_at = (at.timestamp() if at else None for at in (self.resumes_at, self.expires_at))
        return Facts(self.state, self.pause_reason, self.responsible.is_active, resumes_at, expires_at)

    @property
    def standing(self) -> Standing:
        return standing_of(self.facts, time.time())

    @property
    def standings(self) -> tuple[Standing, ...]:
        """The key's standing and, for a paused key, the standings that would still reject its requests once it is
        re-enabled.
        """
        return standings_of(self.facts, time.time())

    @property
    def can_be_shown(self) -> bool:
        """Whether the secret is stored, encrypted. It is not in a project that does not store secrets, nor for a
        deleted key.
        """
        return self.ciphertext is not None


# Django finds the models of these rooms here.
from apikeys.hand_over import models as _hand_over  # noqa: E402, F401
from apikeys.leases import models as _leases  # noqa: E402, F401
from apikeys.lifetimes import models as _lifetimes  # noqa: E402, F401
from apikeys.limits import models as _limits  # noqa: E402, F401
from apikeys.usage import models as _usage  # noqa: E402, F401
