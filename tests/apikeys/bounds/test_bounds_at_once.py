"""A restriction holds as soon as it is answered: no later call gets more, on four workers under load."""

import time
from collections import Counter

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys.services import create_key
from tests.support.programs.load import call_before_and_after

KEYS = 100
PROGRAMS = 4
BUSY = 503  # with few cores a check may be rejected because the database is slow; that lets nobody in
# What each restriction leaves to a call that names no method, needs files:write and comes from 127.0.0.1. An hour or a
# month may end while the calls are made.
WAYS = [
    (Restrictions(read_only=True), 0),
    (Restrictions(scopes=("files:read",)), 0),
    (Restrictions(networks=("203.0.113.0/24",)), 0),
    (Restrictions(limits=Limits(rate=Limit(1, Window.HOUR))), 2),
    (Restrictions(limits=Limits(quota=Limit(1, Window.MONTH))), 2),
]


def test_a_restriction_holds_for_every_call_that_begins_after_its_answer(start_server, project, owner):
    """B6"""
    server = start_server(check_workers=4)
    keys = [create_key(project=project, name=f"Key {number}", by=owner) for number in range(KEYS)]
    restricted: dict[str, float] = {}
    allowed = {secret: WAYS[number % len(WAYS)][1] for number, (_, secret) in enumerate(keys)}

    def restrict_one_after_the_other():
        for number, (key, secret) in enumerate(keys):
            restrict_key(key=key, restrictions=WAYS[number % len(WAYS)][0], by=owner)
            restricted[secret] = time.monotonic()
            time.sleep(0.02)

    calls = call_before_and_after(
        server.check_port, list(allowed), PROGRAMS, restrict_one_after_the_other, "?scope=files:write"
    )
    assert {204, 403, 429} <= {call.status for call in calls} <= {204, 403, 429, BUSY}
    after = [call for call in calls if call.began > restricted[call.secret]]
    late = Counter(call.secret for call in after if call.status == 204)
    assert {secret: late[secret] for secret in allowed if late[secret] > allowed[secret]} == {}
    assert {call.secret for call in calls if call.status == 204} == {call.secret for call in after} == set(allowed)
    print(f"{len(allowed)} keys restricted amid {len(calls)} calls: {len(after)} after the answer, none got more")
