"""V14, R3 and R4: the database five milliseconds away, and how many threads it needs."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import psycopg

from bench.plan import Plan
from bench.rates.contenders import ours
from bench.results import Goal
from bench.stage import Measured, Stage
from bench.tools import processes, servers
from bench.tools.comparing import Pairs, compared, side_by_side
from bench.tools.load import VERIFY
from bench.tools.registering import registered
from tests.support.environment import REPOSITORY, postgres
from tests.support.programs.postgres import free_port

EACH_WAY_MS = 2.5
SECONDS_TO_START = 30
# As many as can keep the threads of R4 busy.
CONNECTIONS = 64


def with_far_database(stage: Stage) -> Measured:
    hot = stage.headers[:1]
    with _far(stage.url) as url:
        trip = _milliseconds(url)
        with servers.product(url, lease=True) as leased, servers.product(url) as plain:
            registered(stage.url, leased.check_url + VERIFY, hot[0])
            pairs = side_by_side(ours("on", leased, hot), [ours("off", plain, hot)], stage.plan)["off"]
    measured = f"checks per second of 1 hot key, database {2 * EACH_WAY_MS:g} ms away, lease on"
    row = compared("V14", measured, "lease off", pairs, Goal(least=7))
    return Measured([replace(row, raw=row.raw | {"ms to the database and back": trip})], {})


def with_other_threads(stage: Stage) -> Measured:
    near = _threads(stage, stage.url, 4, stage.plan)
    with _far(stage.url) as url:
        far = _threads(stage, url, 32, replace(stage.plan, connections=CONNECTIONS))
    measured = "checks per second with {} threads, the database {}"
    rows = [
        compared("R3", measured.format(4, "beside the server"), f"{servers.THREADS} threads", near),
        compared("R4", measured.format(32, f"{2 * EACH_WAY_MS:g} ms away"), f"{servers.THREADS} threads", far),
    ]
    return Measured(rows, {})


def _threads(stage: Stage, url: str, threads: int, plan: Plan) -> Pairs:
    with servers.product(url, threads=threads) as other, servers.product(url) as usual:
        contenders = ours("other", other, stage.called), [ours("usual", usual, stage.called)]
        return side_by_side(*contenders, plan)["usual"]


@contextmanager
def _far(url: str) -> Iterator[str]:
    """The database's address through a relay."""
    port = free_port()
    command = [sys.executable, "-m", "bench.tools.relay", str(port), str(postgres.port), str(EACH_WAY_MS)]
    relay = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not processes.listens(port):
            if relay.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The relay did not start.")
            time.sleep(0.02)
        yield url.replace(f":{postgres.port}/", f":{port}/")
    finally:
        relay.terminate()
        relay.wait()


def _milliseconds(url: str) -> float:
    """The median time of a statement that does nothing."""
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(20):
            began = time.perf_counter()
            connection.execute("SELECT 1", prepare=False)
            times.append((time.perf_counter() - began) * 1000)
    return median(times)
