"""Pauses that end by themselves, as the services change them."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from tests.support.programs.parallel import in_parallel

HOUR = timedelta(hours=1)


def code_of(key: ApiKey) -> str | None:
    return verify(f"Bearer {key.secret}").code  # type: ignore[attr-defined]


def kinds(key: ApiKey) -> list[str]:
    return list(key.events.order_by("pk").values_list("kind", flat=True))


def have_lapsed(key: ApiKey) -> None:
    """As if the key had been paused an hour earlier, so that its pause is over."""
    now = timezone.now()
    ApiKey.objects.filter(pk=key.pk).update(paused_at=now - HOUR, resumes_at=now - timedelta(seconds=5))
    key.refresh_from_db()


@pytest.fixture
def paused(api_key, owner):
    assert pausing.pause_key(key=api_key, by=owner, until=timezone.now() + HOUR, note="A test of the new billing")
    return api_key


@pytest.mark.django_db
def test_a_pause_ends_at_its_instant_and_nothing_has_to_run_for_that(paused):
    assert code_of(paused) == "key_paused"
    have_lapsed(paused)
    assert (paused.state, paused.is_paused, code_of(paused)) == ("paused", False, None)


@pytest.mark.django_db
def test_a_pause_that_is_over_is_written_down_once_before_the_next_change(paused, owner):
    have_lapsed(paused)
    assert pausing.pause_key(key=paused, by=owner)
    assert code_of(paused) == "key_paused"
    assert kinds(paused) == ["created", "paused_until", "resumed_itself", "paused"]
    assert (paused.resumes_at, paused.pause_note) == (None, "")
    assert pausing.write_down_end_of_pause(paused, timezone.now()) is False


@pytest.mark.django_db
def test_re_enabling_a_key_whose_pause_is_over_changes_nothing(paused, owner):
    have_lapsed(paused)
    assert pausing.resume_key(key=paused, by=owner) is False
    assert kinds(paused) == ["created", "paused_until", "resumed_itself"]


@pytest.mark.django_db
def test_a_key_whose_end_came_during_its_pause_did_not_work_again(paused):
    now = timezone.now()
    have_lapsed(paused)
    ApiKey.objects.filter(pk=paused.pk).update(expires_at=now - timedelta(seconds=6))
    pausing.write_down_end_of_pause(paused, now)
    assert kinds(paused) == ["created", "paused_until"]
    paused.refresh_from_db()
    assert (paused.state, code_of(paused)) == ("active", "key_expired")


@pytest.mark.django_db
def test_a_paused_key_can_be_kept_paused(paused, owner):
    assert pausing.change_end_of_pause(key=paused, until=None, by=owner)
    assert pausing.change_end_of_pause(key=paused, until=None, by=owner) is False
    assert (paused.resumes_at, paused.pause_note) == (None, "A test of the new billing")
    have_ended = paused.events.order_by("pk").last()
    assert (have_ended.kind, have_ended.after) == ("pause_changed", "never")


@pytest.mark.django_db
def test_a_key_whose_pause_is_over_cannot_be_kept_paused(paused, owner):
    have_lapsed(paused)
    assert pausing.change_end_of_pause(key=paused, until=None, by=owner) is False
    assert code_of(paused) is None


@pytest.mark.django_db
@pytest.mark.parametrize("is_over", [False, True])
def test_a_report_stops_a_key_for_good_whatever_end_its_pause_had(paused, is_over):
    if is_over:
        have_lapsed(paused)
    assert services.report_leak(secret=paused.secret)
    paused.refresh_from_db()
    assert (paused.resumes_at, paused.standing.code) == (None, "reported")


@pytest.mark.django_db
def test_a_short_pause_is_a_rehearsal_until_it_ends_or_is_kept(api_key, owner):
    for hours, ends in ((1, pausing.resume_key), (1, None), (2, None)):
        ApiKey.objects.update(rehearsal_began_at=None, rehearsal_ended_at=None)
        pausing.pause_key(key=api_key, by=owner, until=timezone.now() + hours * HOUR)
        assert (api_key.rehearsal_began_at is not None) is (hours == 1)
        assert api_key.rehearsal_ended_at is None
        if ends:
            ends(key=api_key, by=owner)
        else:
            pausing.change_end_of_pause(key=api_key, until=None, by=owner)
        assert (api_key.rehearsal_ended_at is not None) is (hours == 1)
        pausing.resume_key(key=api_key, by=owner)


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_pause_is_one_event_however_many_write_it_down(transactional_db, paused, owner):
    have_lapsed(paused)
    copies = [ApiKey.objects.get(pk=paused.pk) for _ in range(4)]
    in_parallel([partial(pausing.resume_key, key=key, by=owner) for key in copies])
    assert kinds(paused) == ["created", "paused_until", "resumed_itself"]
