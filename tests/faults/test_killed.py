"""Workers and whole servers are killed during changes: the database has the old state or the new one."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.calls import Caller
from tests.faults.figures import measure
from tests.faults.installation import run_python
from tests.faults.people import Person, upload_and_delete
from tests.support.environment import DATA_DIR
from tests.support.programs.processes import PAGES, workers

ROUNDS = 5
WORKERS = 3
KILLED_WORKERS = 5
KILLS = ROUNDS * (KILLED_WORKERS + 1)
PEOPLE = 5
CHANGES = 5

IN_BETWEEN = {
    "keys whose events do not add up to their state": """
        SELECT k.public_id FROM apikeys_apikey k JOIN projects_auditevent e ON e.key_id = k.id
        GROUP BY k.id HAVING count(*) FILTER (WHERE kind = 'created') <> 1
        OR (array_agg(kind ORDER BY e.id DESC) FILTER (WHERE kind IN ('created', 'paused', 'resumed', 'deleted')))[1] <>
           ALL (CASE k.state WHEN 'active' THEN ARRAY['created', 'resumed'] ELSE ARRAY[k.state] END)
        OR count(*) FILTER (WHERE kind = 'paused') - count(*) FILTER (WHERE kind = 'resumed') NOT IN (0, 1)
        OR count(*) FILTER (WHERE kind = 'deleted') <> (CASE k.state WHEN 'deleted' THEN 1 ELSE 0 END)""",
    "keys without an event": """
        SELECT 1 FROM apikeys_apikey k WHERE NOT EXISTS (SELECT 1 FROM projects_auditevent e WHERE e.key_id = k.id)""",
    "keys that live on in a deleted project": """
        SELECT 1 FROM apikeys_apikey k JOIN projects_project p ON p.id = k.project_id
        WHERE p.deleted_at IS NOT NULL AND k.state <> 'deleted'""",
    "deleted keys with a ciphertext": """
        SELECT 1 FROM apikeys_apikey WHERE state = 'deleted' AND (ciphertext IS NOT NULL OR ring_key_id <> '')""",
    "projects without an owner": """
        SELECT 1 FROM projects_project p
        WHERE NOT EXISTS (SELECT 1 FROM projects_membership m WHERE m.project_id = p.id)""",
}


def states(installation) -> dict[str, str]:
    keys = installation.ask("SELECT public_id, state FROM apikeys_apikey")
    projects = installation.ask("SELECT public_id, deleted_at FROM projects_project")
    return dict(keys) | {project: "deleted" if deleted else "alive" for project, deleted in projects}


def blobs() -> set[str]:
    files = DATA_DIR / "files"
    return {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}


def kill_amid_changes(installation, number: int) -> list[Person]:
    """Kills one worker after the other, then all processes; returns the answers that people got until then."""
    server = installation.start_server(workers=WORKERS)
    people = [Person(Caller(server, installation.people), f"Round {number}, {name}") for name in range(PEOPLE)]
    over = threading.Event()
    with ThreadPoolExecutor(PEOPLE + 1) as pool:
        programs = [pool.submit(person.go_on, over.is_set) for person in people]
        programs.append(pool.submit(upload_and_delete, people[0].caller, over.is_set))
        for _ in range(KILLED_WORKERS):
            until_some_changes(people)
            # The oldest worker: granian gives up on a worker that dies within seconds of its start.
            os.kill(min(workers(server.process.pid, PAGES)), signal.SIGKILL)
        until_some_changes(people)
        os.killpg(server.process.pid, signal.SIGKILL)
        over.set()
    for program in programs:
        program.result()
    server.process.wait()
    return people


def until_some_changes(people: list[Person]) -> None:
    """Waits until a few more changes were answered, and then a random moment."""
    before, deadline = sum(person.changes for person in people), time.monotonic() + 20
    while sum(person.changes for person in people) < before + CHANGES and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.uniform(0.3, 0.6))


def until_nobody_is_connected(installation) -> None:
    deadline = time.monotonic() + 10
    while installation.sessions() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not installation.sessions()


@pytest.mark.nodb
@pytest.mark.faults
def test_a_kill_leaves_the_old_state_or_the_new(installation):
    """T42"""
    before = blobs()
    people = [person for number in range(ROUNDS) for person in kill_amid_changes(installation, number)]
    until_nobody_is_connected(installation)
    changes = sum(person.changes for person in people)
    cut = [key for person in people for key in (*person.keys.values(), *person.projects.values()) if key.asked]
    assert changes >= KILLS * CHANGES
    assert len(cut) > ROUNDS, "kills came amid changes"
    for what, sql in IN_BETWEEN.items():
        measure("T42", f"{KILLS} kills: {what}", len(installation.ask(sql)), at_most=0)
    found = states(installation)
    remembered = {name: kept for person in people for name, kept in (person.keys | person.projects).items()}
    wrong = [name for name, kept in remembered.items() if found.get(name) not in kept.allowed]
    measure("T42", f"{KILLS} kills: answered changes that are not there", len(wrong), at_most=0)
    rows = {name for [name] in installation.ask("SELECT blob FROM projects_file")}
    measure("T42", f"{KILLS} kills: files without their bytes", len(rows - blobs()), at_most=0)
    sweep_what_is_old(installation, before | rows)
    measure("T42", f"{KILLS} kills: bytes without a file, after a sweep", len(blobs() - before - rows), at_most=0)


def sweep_what_is_old(installation, kept: set[str]) -> None:
    """Files that a kill leaves behind stay for a day. The test makes them that old."""
    for name in blobs() - kept:
        os.utime(DATA_DIR / "files" / name, (0, 0))
    run_python(installation.postgres.url, "manage.py", "sweepfiles", "--delete")
