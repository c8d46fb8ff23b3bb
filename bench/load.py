"""Load by wrk: contenders take turns, so that whatever else the machine does hits all alike."""

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


def alternating(contenders: Sequence[Contender], plan: Plan) -> dict[str, list[Sample]]:
    """Each contender's samples by its name. Checks and warms all of them first."""
    for contender in contenders:
        check(contender)
        load(contender, plan, seconds=1)
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for number in range(plan.rounds):
        # Back and forth, so that nobody always follows the same neighbour.
        for contender in contenders if number % 2 == 0 else contenders[::-1]:
            samples[contender.name].append(load(contender, plan))
    return samples


def rate(samples: Sequence[Sample]) -> float:
    """Requests a second."""
    return median(sample.rate for sample in samples)
