import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.environment import REPOSITORY
from tests.postgres import free_port

pytestmark = pytest.mark.nodb

Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `manage.py serve` on an empty DATA_DIR of its own, with its output on a pipe."""
    processes: list[Process] = []

    def start_one(**environment: str) -> Process:
        database = {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/latchkey.sqlite3"}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=REPOSITORY,
            env={**os.environ, **database, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.terminate()
        process.communicate(timeout=60)


def lines_when_ready(process: Process) -> str:
    """The three lines that a pipe sees while the server runs."""
    assert process.stdout is not None
    return "".join(process.stdout.readline() for _ in range(3))


def get(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=60) as answer:
        return int(answer.status)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_answers_stops_cleanly_and_starts_again(start, stop):
    port = free_port()
    for _ in range(2):
        process = start(PORT=str(port))
        text = lines_when_ready(process)
        assert f"Latchkey is ready: http://127.0.0.1:{port}/" in text
        assert f"http://127.0.0.1:{port}/accounts/signup/" in text
        assert "createsuperuser" in text
        assert get(port) == 200
        process.send_signal(stop)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_a_port_in_use_is_an_error_that_names_port(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(PORT=str(port))
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"port {port}" in errors
    assert "PORT=" in errors
    assert "Traceback" not in errors


def test_a_second_server_does_not_share_the_port_of_the_first(start):
    port = str(free_port())
    lines_when_ready(start(PORT=port))
    second = start(PORT=port)
    assert "PORT=" in second.communicate(timeout=60)[1]
    assert second.returncode != 0


def test_a_killed_worker_is_replaced(start):
    port = free_port()
    process = start(PORT=str(port))
    lines_when_ready(process)
    os.kill(worker_of(process), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert get(port) == 200
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("no worker answers")


def test_workers_end_with_a_main_process_that_was_killed(start):
    """They would go on answering, with the old code, beside a server that is started anew."""
    port = free_port()
    process = start(PORT=str(port), WORKERS="2")
    lines_when_ready(process)
    process.kill()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            get(port)
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("a worker goes on answering")


def worker_of(process: Process) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


@pytest.mark.parametrize("port", ["abc", "0", "-1", "65536", "8000.5", "٨٠٠٠", "9" * 5000, "80 80"])
def test_a_bad_port_is_an_error_that_names_port(port):
    with pytest.raises(CommandError, match="PORT must be a number from 1 to 65535"):
        call_command("serve", port=port)


@pytest.mark.parametrize("host", ["999.1.1.1", "no such host", "\0", "a" * 300])
def test_a_bad_host_is_an_error_that_names_host(host):
    with pytest.raises(CommandError, match="HOST must be an address of this machine"):
        call_command("serve", host=host)


@pytest.mark.parametrize("name", ["workers", "threads"])
def test_bad_numbers_of_workers_and_threads_are_errors(name):
    with pytest.raises(CommandError, match=name.upper()):
        call_command("serve", **{name: "many"})
