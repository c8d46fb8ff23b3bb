import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from django.core.management import CommandError, call_command

from config.serving.supervisor import Group
from tests.support.environment import DATA_DIR, REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.processes import CHECK, PAGES, children, group, workers

pytestmark = pytest.mark.nodb

Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR after `migrate` and `collectstatic`."""
    folder = tmp_path_factory.mktemp("prepared")
    environment = {**os.environ, "DATA_DIR": str(folder), "DATABASE_URL": f"sqlite:///{folder}/latchkey.sqlite3"}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=REPOSITORY, env=environment, check=True)
    (folder / "static").symlink_to(DATA_DIR / "static")
    return folder


@pytest.fixture
def start(tmp_path: Path, prepared: Path) -> Iterator[Start]:
    """Starts `manage.py serve` on a prepared DATA_DIR, with its output on a pipe."""
    processes: list[Process] = []
    shutil.copytree(prepared, tmp_path, symlinks=True, dirs_exist_ok=True)

    def start_one(
        *, program: Sequence[str] = ("manage.py", "serve"), start_new_session: bool = False, **environment: str
    ) -> Process:
        database = {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/latchkey.sqlite3"}
        process = subprocess.Popen(
            [sys.executable, *program],
            cwd=REPOSITORY,
            env={**os.environ, **database, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=start_new_session,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.terminate()
        process.communicate(timeout=60)


def lines_when_ready(process: Process) -> str:
    """The five lines that a pipe sees while the server runs."""
    assert process.stdout is not None
    return "".join(process.stdout.readline() for _ in range(5))


def get(port: int, path: str = "/health/live") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def until_answered(*ports: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert {get(port) for port in ports} == {200}
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("no worker answers")


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert check()


def until_silent(*ports: int) -> None:
    deadline = time.monotonic() + 60
    for port in ports:
        while time.monotonic() < deadline:
            try:
                get(port)
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"port {port} goes on answering")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_answers_stops_cleanly_and_starts_again(start, stop):
    port, check_port = free_port(), free_port()
    for _ in range(2):
        process = start(PORT=str(port), CHECK_PORT=str(check_port))
        text = lines_when_ready(process)
        # By name, because browsers refuse passkeys at an IP address.
        assert f"Latchkey is ready: http://localhost:{port}/" in text
        assert f"Gateways ask: http://127.0.0.1:{check_port}/api/v1/verify" in text
        assert f"http://localhost:{port}/accounts/signup/" in text
        for command in ("demo", "createsuperuser"):
            assert re.search(rf"\S*python\S* \S*manage\.py {command}$", text, re.MULTILINE)
        assert get(port) == get(check_port) == 200
        process.send_signal(stop)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in errors
        assert "Latchkey stopped" not in errors


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_every_process_is_a_stop_and_no_failure(start, stop):
    """T40: Ctrl+C and supervisors do this. A worker that stops first must not count as crashed."""
    port, check_port = free_port(), free_port()
    process = start(PORT=str(port), CHECK_PORT=str(check_port), WORKERS="2", CHECK_WORKERS="2", start_new_session=True)
    lines_when_ready(process)
    everyone = [pid for application in (PAGES, CHECK) for pid in workers(process.pid, application)]
    everyone += [*children(process.pid), process.pid]
    for pid in everyone:
        os.kill(pid, stop)
        time.sleep(0.05)
    assert "Latchkey stopped" not in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_signals_that_come_again_and_again_hang_nothing(start):
    """T40: a person presses Ctrl+C again, or a supervisor sends a second signal."""
    process = start(PORT=str(free_port()), CHECK_PORT=str(free_port()))
    lines_when_ready(process)
    mains = [process.pid, *children(process.pid)]
    for _ in range(300):
        for pid in mains:
            for number in (signal.SIGINT, signal.SIGTERM):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["PORT", "CHECK_PORT"])
def test_a_port_in_use_is_an_error_that_names_its_setting(start, name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(**{"PORT": str(free_port()), "CHECK_PORT": str(free_port()), name: str(port)})
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"port {port}" in errors
    assert f" {name}=" in errors
    assert "Traceback" not in errors


def test_a_second_server_does_not_share_the_port_of_the_first(start):
    port = str(free_port())
    lines_when_ready(start(PORT=port, CHECK_PORT=str(free_port())))
    second = start(PORT=port, CHECK_PORT=str(free_port()))
    assert "PORT=" in second.communicate(timeout=60)[1]
    assert second.returncode != 0


@pytest.mark.parametrize("application", [PAGES, CHECK])
def test_a_killed_worker_is_replaced(start, application):
    port, check_port = free_port(), free_port()
    process = start(PORT=str(port), CHECK_PORT=str(check_port))
    lines_when_ready(process)
    [worker] = workers(process.pid, application)
    os.kill(worker, signal.SIGKILL)
    until_answered(port, check_port)
    assert worker not in workers(process.pid, application)


@pytest.mark.parametrize("application", [PAGES, CHECK])
def test_workers_that_die_again_at_once_end_both_groups(start, application):
    port, check_port = free_port(), free_port()
    process = start(PORT=str(port), CHECK_PORT=str(check_port))
    lines_when_ready(process)
    [first] = workers(process.pid, application)
    os.kill(first, signal.SIGKILL)
    until(lambda: set(workers(process.pid, application)) - {first})
    os.kill(*(set(workers(process.pid, application)) - {first}), signal.SIGKILL)
    assert_ends_both_groups(process, application, port, check_port)


@pytest.mark.parametrize("application", [PAGES, CHECK])
def test_a_group_whose_main_process_is_killed_ends_both_groups(start, application):
    port, check_port = free_port(), free_port()
    process = start(PORT=str(port), CHECK_PORT=str(check_port))
    lines_when_ready(process)
    os.kill(group(process.pid, application), signal.SIGKILL)
    assert_ends_both_groups(process, application, port, check_port)


def assert_ends_both_groups(process: Process, application: str, *ports: int) -> None:
    """The exit code is 1, so a supervisor restarts the server. The log names the group."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"these processes ended: {'pages' if application == PAGES else 'check'} (exit code" in errors
    assert "Traceback" not in errors
    until_silent(*ports)


@pytest.mark.parametrize("broken", ["pages", "check"])
def test_a_group_that_cannot_start_ends_the_other_one(broken, tmp_path):
    ports = {"pages": free_port(), "check": free_port()}
    groups = [
        Group(
            name, settings, "config.no_such.application" if name == broken else application, "127.0.0.1", port, 1, 2, 0
        )
        for (name, port), settings, application in zip(
            ports.items(), ("config.settings", "config.check_settings"), (PAGES, CHECK), strict=True
        )
    ]
    code = f"from config.serving.supervisor import Group, run; print(run({groups!r}))"
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/latchkey.sqlite3"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == f"Latchkey stopped, because these processes ended: {broken} (exit code 1).\n"
    assert "no_such" in ended.stderr
    until_silent(*ports.values())


def test_all_processes_end_with_a_main_process_that_was_killed(start):
    """Otherwise they would go on answering with the old code, beside a restarted server."""
    port, check_port = free_port(), free_port()
    process = start(PORT=str(port), CHECK_PORT=str(check_port), WORKERS="2", CHECK_WORKERS="2")
    lines_when_ready(process)
    process.kill()
    until_silent(port, check_port)


def test_a_stop_amid_the_start_is_no_failure(start):
    process = start(PORT=str(free_port()), CHECK_PORT=str(free_port()))
    until(lambda: len(children(process.pid)) == 2)
    process.terminate()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


def test_an_idle_connection_costs_no_place_at_either_port(start):
    """T46: with more idle connections than granian's own limit of 1,024, the next request is answered."""
    port, check_port = free_port(), free_port()
    lines_when_ready(start(PORT=str(port), CHECK_PORT=str(check_port)))
    with ExitStack() as idle:
        for number in range(1_500):
            try:
                idle.enter_context(socket.create_connection(("127.0.0.1", (port, check_port)[number % 2]), timeout=60))
            except OSError as error:
                assert error.errno == errno.EMFILE  # noqa: PT017  the limit of this process
                pytest.fail("Raise `ulimit -n` for the tests.")
        assert get(port) == get(check_port) == 200


@pytest.mark.parametrize("port", ["abc", "0", "-1", "65536", "8000.5", "٨٠٠٠", "9" * 5000, "80 80"])
def test_a_bad_port_is_an_error_that_names_port(port):
    with pytest.raises(CommandError, match="PORT must be a number from 1 to 65535"):
        call_command("serve", port=port)


@pytest.mark.parametrize("check_port", ["abc", "0", "65536", "80 80"])
def test_a_bad_check_port_is_an_error_that_names_check_port(check_port):
    with pytest.raises(CommandError, match="CHECK_PORT must be a number from 1 to 65535"):
        call_command("serve", port="8000", check_port=check_port)


def test_the_last_port_leaves_none_for_the_check():
    with pytest.raises(CommandError, match="CHECK_PORT must be a number from 1 to 65535, not '65536'"):
        call_command("serve", port="65535")


def test_both_ports_cannot_be_one():
    with pytest.raises(CommandError, match="CHECK_PORT must be another port than PORT"):
        call_command("serve", port="8000", check_port="8000")


@pytest.mark.parametrize("host", ["999.1.1.1", "no such host", "\0", "a" * 300])
def test_a_bad_host_is_an_error_that_names_host(host):
    with pytest.raises(CommandError, match="HOST must be an address of this machine"):
        call_command("serve", host=host)


def test_an_address_of_another_machine_is_an_error_that_names_host():
    """No machine has an address of TEST-NET-3 (RFC 5737)."""
    with pytest.raises(CommandError, match=r"HOST: this machine has no address '203\.0\.113\.1'\."):
        call_command("serve", host="203.0.113.1")


@pytest.mark.parametrize("name", ["workers", "check_workers"])
def test_bad_numbers_of_workers_are_errors(name):
    with pytest.raises(CommandError, match=name.upper()):
        call_command("serve", **{name: "many"})
