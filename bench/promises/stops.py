"""V6: calls that succeed although they began after the answer to a change that takes access away.

The lease is on. Four processes of two servers check the key, and one of them is stopped before each change and goes on
right after its answer.
"""

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.promises.changes import BEHIND_ITS_BACK, CHANGES, Case, Change, new_case
from bench.promises.clients import Call, Clients, Is
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import servers
from bench.tools.load import VERIFY, LoadFailed
from bench.tools.registering import registered
from tests.support.programs.processes import CHECK, workers

SERVERS, WORKERS, CLIENTS_OF_A_SERVER = 2, 2, 6
# How many calls are seen at each server before a change, and again after it.
CALLS_SEEN = 20
# A stopped process may hold a lock that the change waits for.
MOST_SECONDS_STOPPED = 1


def while_under_load(stage: Stage) -> Measured:
    passed: Counter[str] = Counter()
    with ExitStack() as stack:
        running = [
            stack.enter_context(servers.product(stage.url, lease=True, check_workers=WORKERS, has_core=False))
            for _ in range(SERVERS)
        ]
        for server in running:
            registered(stage.url, server.check_url + VERIFY, stage.headers[0], WORKERS)
        stopped = itertools.cycle([pid for server in running for pid in workers(server.process.pid, CHECK)])
        clients = stack.enter_context(Clients([server.check_port for server in running], CLIENTS_OF_A_SERVER))
        kept = _passed(BEHIND_ITS_BACK, new_case(), clients, None)
        if not kept:
            raise LoadFailed("No process kept a row of a key, so this run would prove nothing.")
        for _ in range(stage.plan.stop_rounds):
            for name, change in CHANGES.items():
                passed[name] += _passed(change, new_case(), clients, next(stopped))
    raw = {
        "changes": stage.plan.stop_rounds * len(CHANGES),
        "allowed after": {name: number for name, number in passed.items() if number} or "none",
        "allowed after a pause by SQL, which nothing waits for": kept,
    }
    measured = f"allowed calls after the answer to one of {len(CHANGES)} kinds of changes, lease on"
    return Measured([Row("V6", measured, "none", float(passed.total()), Goal(most=0), raw=raw)], {})


def _passed(change: Change, case: Case, clients: Clients, pid: int | None) -> int:
    """The number of calls that began after the answer to the change and were answered as before it."""
    is_old, is_new = _answers(case)
    clients.begin(f"Bearer {case.new.secret}")
    clients.wait(is_old, each=CALLS_SEEN)
    with _stopped(pid):
        change(case)
        answered = time.monotonic()
    clients.wait(is_new, each=CALLS_SEEN, since=answered)
    return len(clients.found(is_old, answered))


def _answers(case: Case) -> tuple[Is, Is]:
    """Whether a call was answered as before the change, and as after it. A key that was handed over names another
    person.
    """
    before = case.owner.public_id

    def is_old(call: Call) -> bool:
        return call.status == 204 and call.user == before

    def is_new(call: Call) -> bool:
        return call.status in {401, 403, 429} or (call.status == 204 and call.user == case.member.public_id)

    return is_old, is_new


@contextmanager
def _stopped(pid: int | None) -> Iterator[None]:
    if pid is None:
        yield
        return
    os.kill(pid, signal.SIGSTOP)
    later = threading.Timer(MOST_SECONDS_STOPPED, os.kill, (pid, signal.SIGCONT))
    later.start()
    try:
        yield
    finally:
        later.cancel()
        os.kill(pid, signal.SIGCONT)
