"""SQLite allows one writer at a time. All others wait, and none may fail."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.faults.calls import Caller, loading, slowest
from tests.faults.figures import measure
from tests.faults.installation import fill, run_python
from tests.support.programs.servers import Server

ROUNDS = 40
WRITERS = 4
WORKERS = 4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "latchkey.sqlite3"


@pytest.mark.nodb
@pytest.mark.faults
def test_eight_processes_write_at_once(path, static_files):
    """T41: four workers that check, count, upload and create keys, and four commands that change keys and files."""
    url = f"sqlite:///{path}"
    people = fill(url, 5)
    server = Server(workers=WORKERS, is_patient=False, DATABASE_URL=url, USAGE_FLUSH_SECONDS="0.05")
    server.start()
    try:
        caller = Caller(server, people)
        kinds = [caller.check, caller.check, caller.paused_check, caller.files, caller.upload, caller.create_key]
        with ThreadPoolExecutor(WRITERS) as pool, loading([*kinds, caller.dashboard] * 2) as calls:
            commands = [
                pool.submit(run_python, url, "-m", "tests.faults.changes", f"Writer {number}", str(ROUNDS))
                for number in range(WRITERS)
            ]
            changes = [json.loads(command.result()) for command in commands]
        time.sleep(1)
    finally:
        server.stop()
    failed = [failure for change in changes for failure in change["failed"]]
    done = sum(change["done"] for change in changes)
    unexpected = [call for call in calls if call.status not in EXPECTED[call.kind]]
    assert len(calls) > 100
    measure("T41", "SQLite, 8 processes: calls not answered as ever", len(unexpected), at_most=0)
    measure("T41", "SQLite, 8 processes: changes that failed", len(failed), at_most=0)
    measure("T41", "SQLite, 8 processes: changes not made", WRITERS * ROUNDS * 6 - done, at_most=0)
    measure("T41", "SQLite, 8 processes: 'locked' in the log", server.log_text().count("locked"), at_most=0)
    measure("T41", "SQLite, 8 processes: the slowest call", slowest(calls), at_most=20, unit="s")
    checks = sum(call.kind == "check" for call in calls)
    with closing(sqlite3.connect(path)) as connection:
        [[counted]] = connection.execute("SELECT sum(calls) FROM apikeys_projectuse WHERE outcome = 'ok'")
    api = sum(call.kind.startswith("API") for call in calls)
    measure("T41", "SQLite, 8 processes: calls that were not counted", checks + api - counted, at_most=0)


# A project takes 100 keys. A later form is rejected.
EXPECTED = {
    "check": {204},
    "check of a paused key": {401},
    "API, files": {200},
    "API, upload": {201},
    "new key": {302, 422},
    "dashboard": {200},
}
