"""Load by wrk: two contenders take turns, so that whatever else the machine does hits both alike."""

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
    """An address, and the Authorization headers that it lets in. `bad` is one that it must refuse."""

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
    """What was timed did not do what it should have done."""


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
    """Raises LoadFailed unless it lets every good key in and, if it judges at all, refuses a bad one and none."""
    for header in contender.headers:
        if status(contender.url, header) not in {200, 204}:
            raise LoadFailed(f"{contender.name} refuses a good key.")
    if contender.bad is not None:
        for refused in (contender.bad, None):
            if status(contender.url, refused) not in {401, 403}:
                raise LoadFailed(f"{contender.name} lets a bad key in.")


@dataclass(frozen=True)
class Pairs:
    """Samples of two contenders that were taken right after each other."""

    ours: list[Sample]
    theirs: list[Sample]

    @property
    def ratio(self) -> float:
        """The median of each pair's own ratio: a minute in which the machine was busy slowed both halves of a pair."""
        return median(mine.rate / other.rate for mine, other in zip(self.ours, self.theirs, strict=True))


def side_by_side(ours: Contender, others: Sequence[Contender], plan: Plan) -> dict[str, Pairs]:
    """Pairs by the name of the other. Checks and warms all contenders first."""
    for contender in (ours, *others):
        check(contender)
        load(contender, plan, seconds=1)
    pairs = {other.name: Pairs([], []) for other in others}
    for number in range(plan.rounds):
        for other in others:
            turns = [(ours, pairs[other.name].ours), (other, pairs[other.name].theirs)]
            # Back and forth, so that nobody always comes first.
            for contender, samples in turns if number % 2 == 0 else turns[::-1]:
                samples.append(load(contender, plan))
    return pairs


def rate(samples: Sequence[Sample]) -> float:
    """Requests a second."""
    return median(sample.rate for sample in samples)
