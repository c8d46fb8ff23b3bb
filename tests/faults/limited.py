"""Programs that use limited keys as fast as they can, and what was allowed in which second."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from math import floor
from typing import NamedTuple

from tests.faults.installation import Installation
from tests.support.programs.servers import Server

SECONDS_TO_ANSWER = 10


class Asked(NamedTuple):
    """One request with the key of that name, by the clock that PostgreSQL on the same machine has. `status` is 0 if no
    answer came.
    """

    key: str
    status: int
    began: float
    ended: float


def limit_keys(installation: Installation, names: Sequence[str], **limits: list) -> None:
    column = json.dumps(limits) if limits else None
    installation.ask(
        "UPDATE apikeys_apikey SET restrictions = %s::jsonb WHERE name = ANY(%s) RETURNING 1", column, list(names)
    )


def limit_project(installation: Installation, **limits: list) -> None:
    column = json.dumps(limits) if limits else None
    installation.ask("UPDATE projects_project SET limits = %s::jsonb RETURNING 1", column)


@contextmanager
def using(
    installation: Installation, servers: Sequence[Server], numbers: Sequence[int], programs: int = 12, pause: float = 0
) -> Iterator:
    """Programs that use the keys of those numbers, each over a connection to one of the servers. The list holds what
    they asked.
    """
    asked: list[Asked] = []
    over = threading.Event()
    keys = [(f"Key {number}", installation.people.secrets[number]) for number in numbers]

    def go_on(server: Server, first: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.check_port, timeout=SECONDS_TO_ANSWER)
        for name, secret in cycle(keys[first:] + keys[:first]):
            if over.is_set():
                break
            asked.append(_ask(connection, name, secret))
            if asked[-1].status in (0, 503) or pause:
                time.sleep(pause or 0.05)
        connection.close()

    threads = [
        threading.Thread(target=go_on, args=[servers[number % len(servers)], number % len(keys)])
        for number in range(programs)
    ]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask(connection: HTTPConnection, name: str, secret: str) -> Asked:
    began = time.time()
    try:
        connection.request("GET", "/api/v1/verify", headers={"Authorization": f"Bearer {secret}"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException):
        connection.close()
        return Asked(name, 0, began, time.time())
    return Asked(name, answer.status, began, time.time())


def allowed(asked: Sequence[Asked]) -> Counter[str]:
    """How many requests with each key were allowed."""
    return Counter(each.key for each in asked if each.status == 204)


def are_used_up(asked: Sequence[Asked], keys: Sequence[str]) -> bool:
    """Whether the last requests with these keys were rejected, as far as they were answered."""
    last = [each.status for each in asked[-2000:] if each.key in keys]
    return len(last) > 400 and set(last[-400:]) == {429}


def over_in_any_span(asked: Sequence[Asked], limit: int) -> int:
    """How many requests a second were allowed beyond the limit, in the worst span of seconds. A request counts if it
    lies in the span from its beginning to its end.
    """
    inside = [each for each in asked if each.status == 204]
    seconds = range(floor(min(each.began for each in inside)), floor(max(each.ended for each in inside)) + 1)
    spans = Counter((floor(each.began), floor(each.ended)) for each in inside)
    worst = 0
    for first in seconds:
        number = 0
        for last in range(first, seconds.stop):
            number += sum(spans[begin, last] for begin in range(first, last + 1))
            worst = max(worst, number - limit * (last - first + 1))
    return worst


def least_given(asked: Sequence[Asked], limit: int) -> float:
    """The smallest share of the limit that was allowed in a full second."""
    first, last = floor(asked[0].began) + 1, floor(max(each.ended for each in asked)) - 1
    good = [each for each in asked if each.status == 204]
    given = (sum(each.began < second + 1 and each.ended >= second for each in good) for second in range(first, last))
    return min(given) / limit


def until(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)
