"""Load by wrk, and the check that a contender allows good keys and rejects bad ones."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from bench.plan import Plan
from bench.tools import processes

# The address of the check, which gateways ask.
VERIFY = "/api/v1/verify"
SCRIPT = Path(__file__).with_name("wrk.lua")
SECONDS_OVER = 30
# wrk itself notices each good key that is rejected; so many are tried before.
MOST_TRIED = 100


@dataclass(frozen=True)
class Contender:
    """An address, and the Authorization headers that it allows. It must reject `bad`. `worker` is the process that
    answers, if that is one.
    """

    name: str
    url: str
    headers: Sequence[str]
    bad: str | None
    worker: int | None = None


@dataclass(frozen=True)
class Sample:
    """`processor_seconds` are those of the contender's worker."""

    requests: int
    rate: float
    p50: float
    p99: float
    processor_seconds: float = 0


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
        before = processes.cpu_seconds(contender.worker or 0)
        result = subprocess.run(command, capture_output=True, text=True, timeout=duration + SECONDS_OVER)
        spent = processes.cpu_seconds(contender.worker or 0) - before
    try:
        return replace(parse(result.stdout), processor_seconds=spent)
    except LoadFailed as error:
        raise LoadFailed(f"{contender.name}: {error}\n{result.stderr}") from None


def status(url: str, authorization: str | None) -> int:
    parts = urlsplit(url)
    with closing(HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as connection:
        connection.request("GET", parts.path, headers={"Authorization": authorization} if authorization else {})
        return connection.getresponse().status


def check(contender: Contender) -> None:
    """Raises LoadFailed unless the contender allows good keys and rejects a bad key and no key. Only a contender with
    `bad` must reject.
    """
    for header in contender.headers[:MOST_TRIED]:
        if status(contender.url, header) not in {200, 204}:
            raise LoadFailed(f"{contender.name} rejects a good key.")
    if contender.bad is not None:
        for refused in (contender.bad, None):
            if status(contender.url, refused) not in {401, 403}:
                raise LoadFailed(f"{contender.name} allows a bad key.")
