"""A roll and another change at once, in real threads with their own connections."""

from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.keys import pausing, services
from apikeys.keys.key_errors import KeyGone
from apikeys.lifetimes.quiet import end_quiet_keys
from apikeys.lifetimes.rolling import LENGTHS, Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from projects.audit_log.models import AuditEvent
from tests.support.factories import ApiKeyFactory
from tests.support.programs.parallel import in_parallel, rounds_in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


def test_of_rolls_at_once_one_creates_a_key(transactional_db, api_key, owner, project):
    """P17: the others see that the key is being rolled."""
    answers = in_parallel(
        [partial(roll_key, key=ApiKey.objects.get(), overlap=Overlap.DAY, by=owner) for _ in range(6)]
    )
    refused = [answer for answer in answers if isinstance(answer, ValidationError)]
    assert [answer.code for answer in refused] == ["being_rolled"] * 5
    assert project.api_keys.count() == 2
    assert AuditEvent.objects.filter(kind="rolled").count() == 1


def test_one_form_at_once_creates_one_key(transactional_db, api_key, owner, project):
    form = {"overlap": Overlap.DAY, "by": owner, "form_token": "t" * 22}
    answers = in_parallel([partial(roll_key, key=ApiKey.objects.get(), **form) for _ in range(6)])
    assert len({answer.secret for answer in answers}) == 1
    assert project.api_keys.count() == 2


def test_no_roll_brings_a_deleted_key_back(transactional_db, project, owner):
    """P17"""
    ApiKeyFactory.create_batch(ROUNDS, project=project)
    keys = ApiKey.objects.order_by("pk")
    rounds = [
        [partial(services.delete_key, key=one, by=owner), partial(roll_key, key=same, overlap=Overlap.NONE, by=owner)]
        for one, same in zip(keys.all(), keys.all(), strict=True)
    ]
    for deletion, roll in rounds_in_parallel(rounds):
        assert deletion is True
        assert isinstance(roll, services.NewKey | KeyGone)
    old = ApiKey.objects.filter(replaces=None)
    assert {key.state for key in old} == {KeyState.DELETED}
    assert not old.exclude(ciphertext=None).exists()


def test_a_pause_at_the_same_time_as_a_roll_is_not_lost(transactional_db, project, owner):
    """P17: a pause that was answered with True leaves a paused key, and a roll never pauses the new key."""
    ApiKeyFactory.create_batch(ROUNDS, project=project)
    keys = ApiKey.objects.order_by("pk")
    rounds = [
        [partial(pausing.pause_key, key=one, by=owner), partial(roll_key, key=same, overlap=Overlap.DAY, by=owner)]
        for one, same in zip(keys.all(), keys.all(), strict=True)
    ]
    for pause, roll in rounds_in_parallel(rounds):
        assert pause is True
        assert ApiKey.objects.get(pk=roll.key.replaces_id).is_paused
    assert {key.state for key in ApiKey.objects.exclude(replaces=None)} == {KeyState.ACTIVE}
    assert not ApiKey.objects.filter(replaces=None, expires_at=None).exists()


def test_housekeeping_in_several_processes_ends_a_quiet_key_once(transactional_db, api_key, owner):
    """P17"""
    roll_key(key=api_key, overlap=Overlap.QUIET, by=owner)
    later = timezone.now() + LENGTHS[Overlap.DAY]
    assert sorted(in_parallel([partial(end_quiet_keys, later)] * 4)) == [0, 0, 0, 1]
    assert api_key.events.filter(kind="ended_quiet").count() == 1
