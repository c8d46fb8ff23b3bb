"""V13: one hot key, beside better-auth's plugin for API keys."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.rates.contenders import ours
from bench.results import Goal
from bench.stage import Measured, NotMeasured, Stage
from bench.tools import databases, servers
from bench.tools.comparing import compared, side_by_side
from bench.tools.load import Contender
from tests.support.environment import REPOSITORY
from tests.support.programs.npm_packages import NotInstalled, installed
from tests.support.programs.postgres import free_port

SOURCE = REPOSITORY / "bench" / "peers" / "better_auth"
LABEL = "better-auth's verifyApiKey (Node, the same PostgreSQL)"


def beside_better_auth(stage: Stage) -> Measured:
    """Both check one key, on the same PostgreSQL."""
    hot = stage.headers[:1]
    with _better_auth(databases.create("better_auth")) as peer:
        on, off = (
            side_by_side(ours(name, server, hot), [peer], stage.plan)["better-auth"]
            for name, server in (("on", stage.leased), ("off", stage.product))
        )
    measured = "checks per second of 1 hot key, lease {}"
    rows = [
        compared("V13.on", measured.format("on"), LABEL, on, Goal(least=12)),
        compared("V13.off", measured.format("off"), LABEL, off, Goal(least=4.5)),
    ]
    return Measured(rows, {})


@contextmanager
def _better_auth(database_url: str) -> Iterator[Contender]:
    node = shutil.which("node")
    if node is None:
        raise NotMeasured("node is missing")
    try:
        folder = installed(SOURCE, "better-auth")
    except NotInstalled as error:
        raise NotMeasured(str(error)) from None
    port = free_port()
    command = [node, str(folder / "server.js"), str(port)]
    with servers.running(command, port, {"DATABASE_URL": database_url, "NODE_ENV": "production"}) as server:
        key = _key(server.log)
        yield Contender("better-auth", f"{server.url}/", [f"Bearer {key}"], f"Bearer {key[:-4]}0000", server.worker)


def _key(log: Path) -> str:
    [line] = [line for line in log.read_text().splitlines() if line.startswith('{"key":')]
    return str(json.loads(line)["key"])
