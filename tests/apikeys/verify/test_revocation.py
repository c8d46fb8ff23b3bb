"""Delete, pause, "end now" and a roll without overlap hold as soon as they are answered: no later call succeeds, on
four workers under load. A roll with an overlap rejects no call with either key.
"""

import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.leases.models import LeaseRegistration
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from tests.support.programs.load import Call, call_before_and_after, call_in_turn

KEYS = 50
FEW_KEYS = 20
PROGRAMS = 4
ROLLS = 20
BUSY = 503  # with few cores a check may be rejected because the database is slow; that lets nobody in


def end_in_each_way(*, key, by):
    """By "end now", by a roll without overlap, and by an end that is over before the answer is given."""
    if key.pk % 3 == 0:
        assert end_key(key=key, by=by)
        return
    if key.pk % 3 == 1:
        roll_key(key=key, overlap=Overlap.NONE, by=by)
        return
    for seconds in (0.05, 1, 60):  # a busy machine may need longer, until the instant is over and rejected
        at = timezone.now() + timedelta(seconds=seconds)
        with suppress(ValidationError):
            change_end(key=key, expires_at=at, by=by)
            break
    while timezone.now() <= at:
        time.sleep(0.005)


@pytest.mark.parametrize("lease", ["off", "on"])
@pytest.mark.parametrize("stop", [pause_key, delete_key, end_in_each_way], ids=["T11-pause", "T10-delete", "T10-end"])
def test_no_success_begins_after_the_answer(start_server, project, owner, stop, lease):
    """T10, T11, V6"""
    server = start_server(check_workers=4, VERDICT_LEASE=lease)
    # With few keys, each is asked for again while its row is kept.
    number_of_keys = KEYS if lease == "off" else FEW_KEYS
    keys = [create_key(project=project, name=f"Key {number}", by=owner) for number in range(number_of_keys)]
    stopped: dict[str, float] = {}

    def stop_one_after_the_other():
        for key, secret in keys:
            stop(key=key, by=owner)
            stopped[secret] = time.monotonic()
            time.sleep(0.02)

    secrets = [secret for _, secret in keys]
    calls = call_before_and_after(server.check_port, secrets, PROGRAMS, stop_one_after_the_other)
    assert {204, 401} <= {call.status for call in calls} <= {204, 401, BUSY}
    late = [call for call in calls if call.status == 204 and call.began > stopped[call.secret]]
    assert late == []
    before = {call.secret for call in calls if call.status == 204}
    after = {call.secret for call in calls if call.began > stopped[call.secret]}
    assert before == after == set(stopped), "there was load on every key, before and after"
    assert LeaseRegistration.objects.exists() is (lease == "on")
    print(f"{len(stopped)} keys stopped amid {len(calls)} calls: 0 successes after the answer")


def test_a_roll_under_load_rejects_no_call(server, project, owner):
    """L3: some programs use the new key right after the answer, and others still use the old key."""
    old = [create_key(project=project, name=f"Key {number}", by=owner) for number in range(ROLLS)]
    new: list[str] = []
    with_new_keys: list[Call] = []

    def roll_one_after_the_other():
        for key, _ in old:
            new.append(roll_key(key=key, overlap=Overlap.HOUR, by=owner).secret)
            with_new_keys.extend(call_in_turn(server.check_port, new))

    secrets = [secret for _, secret in old]
    calls = call_before_and_after(server.check_port, secrets, 2, roll_one_after_the_other) + with_new_keys
    assert [call for call in calls if call.status not in {204, BUSY}] == []
    assert {call.secret for call in calls if call.status == 204} == {*secrets, *new}
