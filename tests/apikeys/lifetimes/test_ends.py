"""The services that change the instant at which a key stops working."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.lifetimes.ends import HasExpired, change_end, end_key
from apikeys.lifetimes.models import KeyNotice
from apikeys.models import ApiKey
from apikeys.standing import EndReason, KeyState
from apikeys.usage import counting
from apikeys.verify.verification import verify
from common.gone import Gone
from projects.audit_log.models import AuditEvent
from tests.support.factories import ApiKeyFactory
from tests.support.programs.parallel import in_parallel

DAY = timedelta(days=1)


def code_of(key: ApiKey) -> str | None:
    return verify(f"Bearer {key.secret}").code  # type: ignore[attr-defined]


def kinds(key: ApiKey) -> list[str]:
    return list(key.events.order_by("pk").values_list("kind", flat=True))


def have_ended(key: ApiKey, ago: timedelta = timedelta(seconds=5)) -> None:
    """As if the key's end had been chosen earlier and had come."""
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - ago, end_reason=EndReason.CHOSEN)
    key.refresh_from_db()


@pytest.mark.django_db
def test_a_key_that_is_ended_now_is_rejected_at_once_and_stays_in_the_list(api_key, owner):
    """T10 and T11"""
    assert end_key(key=api_key, by=owner)
    assert (api_key.state, api_key.end_reason, api_key.standing.code) == ("ended", "chosen", "expired")
    assert code_of(api_key) == "key_expired"
    assert ApiKey.objects.alive().get() == api_key
    assert not ApiKey.objects.not_ended().exists()
    assert end_key(key=api_key, by=owner) is False
    assert kinds(api_key) == ["created", "ended"]


@pytest.mark.django_db
def test_the_rejection_names_the_instant_of_the_end(api_key):
    have_ended(api_key)
    verdict = verify(f"Bearer {api_key.secret}")
    assert verdict.message == (
        f"This API key expired on {api_key.expires_at:%-d %B %Y, %H:%M} UTC. An owner or a developer of the project "
        "can change its expiry, or create a new one."
    )


@pytest.mark.django_db
def test_a_key_stops_when_its_end_has_come_and_nothing_has_to_run_for_that(api_key, owner):
    assert change_end(key=api_key, expires_at=timezone.now() + DAY, by=owner)
    assert code_of(api_key) is None
    have_ended(api_key)
    assert (api_key.state, code_of(api_key)) == ("active", "key_expired")


@pytest.mark.django_db
def test_an_end_can_be_moved_and_removed_at_any_time_and_each_change_is_an_event(api_key, owner):
    first = timezone.now() + DAY
    assert change_end(key=api_key, expires_at=first, by=owner)
    assert change_end(key=api_key, expires_at=first, by=owner) is False
    assert change_end(key=api_key, expires_at=None, by=owner)
    assert (api_key.expires_at, api_key.end_reason) == (None, "")
    event = api_key.events.order_by("pk").last()
    assert (event.kind, event.before, event.after) == ("end_changed", f"{first:%-d %B %Y, %H:%M} UTC", "never")


@pytest.mark.django_db
@pytest.mark.parametrize("is_stored", [True, False], ids=["ended by a person", "its end came"])
def test_a_key_that_has_ended_works_again_only_after_a_confirmation(api_key, owner, is_stored):
    """T52"""
    if is_stored:
        end_key(key=api_key, by=owner)
    else:
        have_ended(api_key)
    for end in (None, timezone.now() + DAY):
        with pytest.raises(HasExpired):
            change_end(key=api_key, expires_at=end, by=owner)
    assert code_of(api_key) == "key_expired"
    assert change_end(key=api_key, expires_at=None, by=owner, may_revive=True)
    assert code_of(api_key) is None
    assert kinds(api_key)[-1] == "revived"


@pytest.mark.django_db
@pytest.mark.parametrize("is_paused", [False, True])
def test_a_key_that_works_again_counts_towards_the_limit(api_key, owner, settings, is_paused):
    settings.MAX_KEYS_PER_PROJECT = 1
    if is_paused:
        pausing.pause_key(key=api_key, by=owner)
    end_key(key=api_key, by=owner)
    services.create_key(project=api_key.project, name="Another", by=owner)
    with pytest.raises(ValidationError, match="limit of 1 key"):
        change_end(key=api_key, expires_at=None, by=owner, may_revive=True)
    api_key.refresh_from_db()
    assert api_key.is_expired


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (timedelta(seconds=-1), "in the past"),
        (timedelta(0), "in the past"),
        (timedelta(days=3651), "at most 3,650 days"),
    ],
    ids=str,
)
def test_an_end_in_the_past_or_too_far_ahead_changes_nothing(api_key, owner, ahead, message):
    at = timezone.now() + ahead
    for change in (
        lambda: change_end(key=api_key, expires_at=at, by=owner),
        lambda: services.create_key(project=api_key.project, name="New", by=owner, expires_at=at),
        lambda: pausing.pause_key(key=api_key, by=owner, until=at),
    ):
        with pytest.raises(ValidationError, match=message):
            change()
    api_key.refresh_from_db()
    assert (api_key.expires_at, api_key.state) == (None, "active")
    assert [event.kind for event in AuditEvent.objects.all()] == ["created"]


@pytest.mark.django_db
def test_a_paused_key_that_is_ended_stays_paused_and_has_ended_when_it_is_re_enabled(api_key, owner):
    pausing.pause_key(key=api_key, by=owner)
    assert end_key(key=api_key, by=owner)
    assert code_of(api_key) == "key_paused"
    assert [standing.code for standing in api_key.standings] == ["paused", "expired"]
    pausing.resume_key(key=api_key, by=owner)
    assert code_of(api_key) == "key_expired"


@pytest.mark.django_db
def test_a_report_of_a_key_that_has_ended_is_kept(api_key, owner):
    end_key(key=api_key, by=owner)
    assert services.report_leak(secret=api_key.secret)
    api_key.refresh_from_db()
    assert [standing.code for standing in api_key.standings] == ["reported", "expired"]
    pausing.resume_key(key=api_key, by=owner, although_reported=True)
    assert code_of(api_key) == "key_expired"


@pytest.mark.django_db
def test_a_deleted_key_has_no_other_end(api_key, owner):
    services.delete_key(key=api_key, by=owner)
    for change in (
        lambda: change_end(key=api_key, expires_at=timezone.now() + DAY, by=owner, may_revive=True),
        lambda: end_key(key=api_key, by=owner),
    ):
        with pytest.raises(Gone):
            change()
    assert ApiKey.objects.get().state == KeyState.DELETED


@pytest.mark.django_db
def test_rejections_since_the_end_are_counted_on_the_key(api_key, owner):
    have_ended(api_key)
    for _ in range(3):
        assert code_of(api_key) == "key_expired"
    counting.flush()
    api_key.refresh_from_db()
    assert (api_key.refused_calls, api_key.stopped_at) == (3, api_key.expires_at)
    change_end(key=api_key, expires_at=timezone.now() + DAY, by=owner, may_revive=True)
    assert api_key.refused_calls == 0


@pytest.mark.django_db
def test_another_end_makes_owners_hear_of_it_anew(api_key, owner):
    change_end(key=api_key, expires_at=timezone.now() + DAY, by=owner)
    KeyNotice.objects.create(key=api_key, kind="week")
    change_end(key=api_key, expires_at=timezone.now() + 2 * DAY, by=owner)
    assert not KeyNotice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_end_and_a_deletion_at_once_leave_the_key_deleted(transactional_db, project, owner):
    for key in ApiKeyFactory.create_batch(20, project=project):
        one, another = ApiKey.objects.get(pk=key.pk), ApiKey.objects.get(pk=key.pk)
        in_parallel([partial(services.delete_key, key=one, by=owner), partial(end_key, key=another, by=owner)])
        assert kinds(key)[-1] == "deleted"
    assert not ApiKey.objects.exclude(state=KeyState.DELETED).exists()
