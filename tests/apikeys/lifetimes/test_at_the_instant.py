"""A key stops at its instant, and a pause ends at its instant. Nothing has to run for that."""

import time
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from tests.support.environment import ON_SQLITE
from tests.support.programs.load import call_before_and_after

KEYS = 10  # of each kind
PROGRAMS = 4
SECONDS_AHEAD = 1.0
BUSY = 503  # with few cores a check may be rejected because the database is slow
NO_THREADS = {"USAGE_FLUSH_SECONDS": "0", "MAIL_RETRY_SECONDS": "0", "HOUSEKEEPING_SECONDS": "0"}


def clocks_apart() -> float:
    """How far the clock of instants is ahead of the clock of calls."""
    return time.time() - time.monotonic()


@pytest.mark.skipif(ON_SQLITE, reason="the judge is the same, and four workers on SQLite are slow")
def test_keys_stop_and_pauses_end_at_their_instant_with_every_background_thread_dead(start_server, project, owner):
    """L1: on four workers under load."""
    server = start_server(check_workers=4, **NO_THREADS)
    new = [create_key(project=project, name=f"Key {number}", by=owner) for number in range(2 * KEYS)]
    ending, paused = new[:KEYS], new[KEYS:]
    for key, _ in paused:
        pause_key(key=key, by=owner)
    # The instant of each secret, and when the database knew it.
    instants, known = dict[str, float](), dict[str, float]()

    def choose_instants() -> None:
        for column, keys in (("expires_at", ending), ("resumes_at", paused)):
            for key, secret in keys:
                instants[secret] = time.time() + SECONDS_AHEAD
                ApiKey.objects.filter(pk=key.pk).update(**{column: datetime.fromtimestamp(instants[secret], UTC)})
                known[secret] = time.time()
        time.sleep(max(0.0, max(instants.values()) - time.time()) + 0.01)

    apart = clocks_apart()
    calls = call_before_and_after(server.check_port, [secret for _, secret in new], PROGRAMS, choose_instants)
    slack = abs(clocks_apart() - apart) + 0.001

    assert {204, 401} <= {call.status for call in calls} <= {204, 401, BUSY}
    before = {secret: 204 for _, secret in ending} | {secret: 401 for _, secret in paused}
    after = {secret: 401 for _, secret in ending} | {secret: 204 for _, secret in paused}
    early = [call for call in calls if call.ended + apart < instants[call.secret] - slack]
    late = [call for call in calls if call.began + apart > max(instants[call.secret], known[call.secret]) + slack]
    assert {call.secret for call in early} == {call.secret for call in late} == set(instants)
    wrong = [call for call in early if call.status not in {before[call.secret], BUSY}]
    wrong += [call for call in late if call.status not in {after[call.secret], BUSY}]
    assert wrong == []
    states = ApiKey.objects.filter(project=project, state=KeyState.PAUSED, resumes_at__lt=timezone.now())
    assert states.count() == KEYS, "nobody has written down that the pauses ended"
    print(f"{len(instants)} instants amid {len(calls)} calls, {len(early)} before and {len(late)} after: 0 wrong")
