"""The processes of a server share their counts in a file. No count of a server falls when one of them ends."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from apikeys.leases import clocks, kept_rows
from common.metrics import counts, shared_counts
from common.metrics.counts import Total

pytestmark = [pytest.mark.nodb, pytest.mark.slow]

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(shared_counts.VARIABLE, "")
    monkeypatch.setenv(shared_counts.GROUPS_VARIABLE, "")
    return tmp_path / "metrics"


class Worker:
    """A process that takes a place, counts what it is told to count, and writes it."""

    def __init__(self, group: str) -> None:
        self.ours, theirs = FORK.Pipe()
        self.process = FORK.Process(target=self._run, args=(group, theirs), daemon=True)
        self.process.start()

    @staticmethod
    def _run(group, commands):
        shared_counts.begin(group)
        while True:
            for _ in range(commands.recv()):
                counts.check("allowed", 0.00004)
            shared_counts.write()
            commands.send(shared_counts.read_all())

    def count(self, number: int) -> list[shared_counts.Snapshot]:
        """What the worker reads of all processes after it has counted so many checks."""
        self.ours.send(number)
        found = self.ours.recv()
        assert isinstance(found, list)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def allowed(snapshots: list[shared_counts.Snapshot]) -> float:
    return counts.sum_of(*(each["counted"] for each in snapshots))[Total.CHECKS].get("allowed", 0)


def test_every_process_reads_the_sum_of_all(folder):
    shared_counts.make_file(folder, {"check": 2, "pages": 1})
    workers = [Worker(group) for group in ("check", "check", "pages")]
    for worker in workers:
        found = worker.count(5)
    assert allowed(found) == 15
    assert sorted(each["group"] for each in found) == ["check", "check", "pages"]
    for worker in workers:
        worker.kill()


def test_a_process_that_replaces_a_killed_one_goes_on_with_its_counts(folder):
    shared_counts.make_file(folder, {"check": 2})
    first, other = Worker("check"), Worker("check")
    first.count(7)
    first.kill()
    assert allowed(other.count(1)) == 8
    for _ in range(3 * shared_counts.SPARE_PLACES):
        successor = Worker("check")
        successor.count(1)
        successor.kill()
    assert allowed(other.count(0)) == 8 + 3 * shared_counts.SPARE_PLACES
    assert len(other.count(0)) <= 3, "the successors took one place after the other"
    other.kill()


def test_a_stopped_process_does_not_count_as_a_worker(folder, monkeypatch):
    shared_counts.make_file(folder, {"check": 2})
    stopped, other = Worker("check"), Worker("check")
    stopped.count(1)
    assert all(shared_counts.is_alive(each) for each in other.count(1))
    os.kill(stopped.process.pid or 0, signal.SIGSTOP)
    before = shared_counts.now()
    monkeypatch.setattr(shared_counts, "now", lambda: before + shared_counts.SECONDS_ALIVE + 1)
    assert not any(shared_counts.is_alive(each) for each in other.count(0))
    for worker in (stopped, other):
        worker.kill()


def test_a_start_removes_the_files_of_servers_that_have_ended_and_of_no_others(folder):
    def serve(ours):
        shared_counts.make_file(folder, {"check": 1})
        ours.send(os.environ[shared_counts.VARIABLE])
        ours.recv()

    ours, theirs = FORK.Pipe()
    living = FORK.Process(target=serve, args=(theirs,), daemon=True)
    living.start()
    name = Path(ours.recv())
    ended = FORK.Process(target=shared_counts.make_file, args=(folder, {"check": 1}))
    ended.start()
    ended.join()
    assert len([*folder.iterdir()]) == 2
    mine = shared_counts.make_file(folder, {"check": 1})
    assert {*folder.iterdir()} == {name, mine}
    living.kill()


def test_a_text_that_is_being_written_is_not_read(folder):
    path = shared_counts.make_file(folder, {"check": 1})
    worker = Worker("check")
    worker.count(3)
    worker.kill()
    with path.open("r+b") as file:
        file.seek(20)
        file.write(b"\xff")
    other = Worker("check")
    assert allowed(other.count(2)) == 2
    other.kill()


def test_rows_whose_lease_is_over_do_not_count(monkeypatch):
    """They stay in memory while the database is away, and while nothing is checked."""
    read, at = counts._gauges["rows_leased"], clocks.now()
    kept_rows.forget_all()
    for _ in range(2):
        kept_rows.keep(b"digest", object(), at)
    assert read() == 1
    monkeypatch.setattr(kept_rows, "now", lambda: at + 3 * clocks.LEASE_SECONDS)
    assert read() == 0
    kept_rows.forget_all()


def test_without_a_file_a_process_has_its_own_counts_and_no_thread(folder):
    before = allowed(shared_counts.read_all())
    shared_counts.begin("pages")
    counts.check("allowed", 0.1)
    assert allowed(shared_counts.read_all()) == before + 1


def test_more_processes_than_places_serve_without_sharing_and_the_log_says_so(folder, caplog):
    shared_counts.make_file(folder, {})
    workers = [Worker("check") for _ in range(shared_counts.SPARE_PLACES)]
    for worker in workers:
        worker.count(1)
    shared_counts.begin("check")
    assert "counts_not_shared" in caplog.text
    for worker in workers:
        worker.kill()
