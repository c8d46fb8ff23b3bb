"""Load by wrk. Two contenders take turns, so other load on the machine affects both alike."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.plan import Plan

SCRIPT = Path(__file__).with_name("wrk.lua")
SECONDS_OVER = 30


@dataclass(frozen=True)
class Contender:
    """An address, and the Authorization headers that it allows. It must reject `bad`."""

    name: str
    url: str
    headers: Sequence[str]
    bad: str | None


@dataclass(frozen=True)
class Sample:
    requests: int
    rate: float
    p50: float
    p99: float


class LoadFailed(Exception):
    """The measured program gave a wrong answer."""


def parse(output: str) -> Sample:
    """Raises LoadFailed for output without a result, or with a request that was not answered with 2xx or 3xx."""
    lines = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise LoadFailed(f"wrk gave no result:\n{output}")
    result = json.loads(lines[-1])
    if result["errors"] or not result["requests"]:
        raise LoadFailed(f"{result['errors']} of {result['requests']} requests failed:\n{output}")
    rate = result["requests"] / result["microseconds"] * 1_000_000
    return Sample(result["requests"], rate, result["p50"] / 1000, result["p99"] / 1000)


def load(contender: Contender, plan: Plan, seconds: int | None = None) -> Sample:
    duration = seconds or plan.seconds
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as headers:
        headers.write("\n".join(contender.headers) + "\n")
        headers.flush()
        command = ["wrk", "--threads", "1", "--connections", str(plan.connections), "--duration", f"{duration}s"]
        command += ["--latency", "--timeout", "10s", "--script", str(SCRIPT), contender.url, "--", headers.name]
        result = subprocess.run(command, capture_output=True, text=True, timeout=duration + SECONDS_OVER)
    try:
        return parse(result.stdout)
    except LoadFailed as error:
        raise LoadFailed(f"{contender.name}: {error}\n{result.stderr}") from None


def status(url: str, authorization: str | None) -> int:
    parts = urlsplit(url)
    with closing(HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as connection:
        connection.request("GET", parts.path, headers={"Authorization": authorization} if authorization else {})
        return connection.getresponse().status


def check(contender: Contender) -> None:
    """Raises LoadFailed unless the contender allows every good key and rejects a bad key and no key. Only a contender
    with `bad` must reject.
    """
    for header in contender.headers:
        if status(contender.url, header) not in {200, 204}:
            raise LoadFailed(f"{contender.name} rejects a good key.")
    if contender.bad is not None:
        for refused in (contender.bad, None):
            if status(contender.url, refused) not in {401, 403}:
                raise LoadFailed(f"{contender.name} allows a bad key.")


@dataclass(frozen=True)
class Pairs:
    """Samples of two contenders. Each pair was taken one right after the other."""

    ours: list[Sample]
    theirs: list[Sample]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios. A busy minute of the machine slows both halves of a pair."""
        return median(mine.rate / other.rate for mine, other in zip(self.ours, self.theirs, strict=True))


def side_by_side(ours: Contender, others: Sequence[Contender], plan: Plan, *, warm: bool = False) -> dict[str, Pairs]:
    """Pairs by the name of the other contender. Checks and warms up all contenders first; with `warm`, before each
    sample.
    """
    for contender in (ours, *others):
        check(contender)
        load(contender, plan, seconds=1)
    pairs = {other.name: Pairs([], []) for other in others}
    for number in range(plan.rounds):
        for other in others:
            turns = [(ours, pairs[other.name].ours), (other, pairs[other.name].theirs)]
            # The order alternates, so that no contender always comes first.
            for contender, samples in turns if number % 2 == 0 else turns[::-1]:
                if warm:
                    load(contender, plan, seconds=1)
                samples.append(load(contender, plan))
    return pairs


def rate(samples: Sequence[Sample]) -> float:
    """Requests per second."""
    return median(sample.rate for sample in samples)
