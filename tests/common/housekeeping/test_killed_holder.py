"""Housekeeping in real processes: one at a time, and another one after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from common.housekeeping.models import Claim, DailyTask
from config.housekeeping import TASKS
from tests.support.environment import REPOSITORY
from tests.support.programs.servers import database_url

pytestmark = pytest.mark.slow

KILLS = 2


def until(find: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found
    return found


@contextmanager
def four_processes(file: Path) -> Iterator[None]:
    environment = {**os.environ, "DATABASE_URL": database_url(), "HOUSEKEEPING_SECONDS": "0.1"}
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-m", "tests.common.housekeeping.four_processes", str(file)]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.communicate()


def turns(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def test_four_processes_take_turns_one_at_a_time_and_the_next_one_follows_a_killed_one(transactional_db, tmp_path):
    file, killed = tmp_path / "turns", set[int]()
    with four_processes(file):
        for _ in range(KILLS + 1):
            holder = until(lambda: [turn["pid"] for turn in turns(file) if turn["pid"] not in killed])[-1]
            if len(killed) < KILLS:
                os.kill(holder, signal.SIGKILL)
                killed.add(holder)
    found = sorted(turns(file), key=lambda turn: turn["began"])
    assert len({turn["pid"] for turn in found}) > KILLS
    for before, after in pairwise(found):
        assert before["pid"] == after["pid"] or after["began"] >= before["ends"], "the claim of the first one had ended"


def test_a_server_does_the_housekeeping(start_server, transactional_db):
    ended, alive = (
        Session.objects.create(session_key=name, session_data="", expire_date=timezone.now() + timedelta(days=days))
        for name, days in (("ended", -1), ("alive", 1))
    )
    server = start_server(workers=2, HOUSEKEEPING_SECONDS="0.1")
    until(lambda: not Session.objects.filter(pk=ended.pk).exists())
    daily = {task.name for task in TASKS if task.daily}
    until(lambda: set(DailyTask.objects.values_list("name", flat=True)) == daily)
    server.stop()
    assert Session.objects.filter(pk=alive.pk).exists()
    assert Claim.objects.get().ends_at <= timezone.now(), "the claim was given back"
    assert "housekeeping_taken_over" in server.log_text()
    assert "housekeeping_failed" not in server.log_text()
