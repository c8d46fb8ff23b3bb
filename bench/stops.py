"""V6: successful calls after the answer to a pause, "end now", a roll without overlap or a delete, under load."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection

from accounts.models import User
from apikeys.keys import pausing, services
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from bench import servers
from bench.load import LoadFailed
from bench.plan import Plan
from bench.rates import VERIFY
from bench.results import Goal, Row
from tests.support.factories import ProjectFactory

WORKERS = 4
CLIENTS = 12
# The number of calls that must be seen before a stop, and again after it.
CALLS_SEEN = 30
SECONDS_TO_WAIT = 30


class Clients:
    """Threads that call with `header`, one call after the other, and note each call's start and status."""

    def __init__(self, port: int) -> None:
        self.header = ""
        self.calls: list[tuple[float, str, int]] = []
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(SECONDS_TO_WAIT)

    def _call(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=SECONDS_TO_WAIT)) as connection:
            while not self._ended.is_set():
                header, started = self.header, time.monotonic()
                connection.request("GET", VERIFY, headers={"Authorization": header} if header else {})
                answer = connection.getresponse()
                answer.read()
                self.calls.append((started, header, answer.status))

    def wait(self, *, since: float, status: int) -> None:
        """Waits until CALLS_SEEN calls that started after `since` were answered with `status`."""
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while self.count(since=since, status=status) < CALLS_SEEN:
            if time.monotonic() > deadline:
                raise LoadFailed(f"The clients never saw {status}.")
            time.sleep(0.002)

    def count(self, *, since: float, status: int) -> int:
        calls = list(self.calls)
        return sum(call == (call[0], self.header, status) for call in calls if call[0] > since)


def while_under_load(url: str, owner: User, plan: Plan) -> Row:
    project = ProjectFactory(created_by=owner)
    passed = 0
    with servers.product(url, check_workers=WORKERS) as product, Clients(product.check_port) as clients:
        for _ in range(plan.stop_rounds):
            new = services.create_key(project=project, name="Key", by=owner)
            clients.header = f"Bearer {new.secret}"
            passed += _stop_in_every_way(new.key, owner, clients)
    raw = {"pauses, ends, rolls and deletes": 4 * plan.stop_rounds, "workers": WORKERS, "clients": CLIENTS}
    return Row(
        "V6",
        "allowed calls after the answer to pause, end now, roll or delete",
        "none",
        float(passed),
        Goal(most=0),
        raw=raw,
    )


def _stop_in_every_way(key: ApiKey, owner: User, clients: Clients) -> int:
    """Successes of calls that started after the answer to the pause, "end now", the roll or the deletion."""
    passed = _stop(partial(pausing.pause_key, key=key, by=None), clients)
    pausing.resume_key(key=key, by=None)
    passed += _stop(partial(end_key, key=key, by=None), clients)
    change_end(key=key, expires_at=None, by=None, may_revive=True)
    rolled: list[services.NewKey] = []
    passed += _stop(lambda: rolled.append(roll_key(key=key, overlap=Overlap.NONE, by=owner)), clients)
    new = rolled[0]
    clients.header = f"Bearer {new.secret}"
    return passed + _stop(partial(services.delete_key, key=new.key, by=None), clients)


def _stop(stop: Callable[[], object], clients: Clients) -> int:
    started = time.monotonic()
    clients.calls.clear()
    clients.wait(since=started, status=204)
    stop()
    stopped = time.monotonic()
    clients.wait(since=stopped, status=401)
    return clients.count(since=stopped, status=204)
