"""`serve --only` and `serve --migrate`, and what service managers and containers need of `serve`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.management.commands.serve import Address, _ready_lines
from tests.config.serving.test_serve import get, prepared, start, until  # noqa: F401  fixtures
from tests.support.environment import DATA_DIR, REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.processes import children

pytestmark = pytest.mark.nodb

PR_SET_CHILD_SUBREAPER = 36
Process = subprocess.Popen[str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `manage.py serve` on an empty DATA_DIR that has no static files either."""
    processes: list[Process] = []

    def start_one(*arguments: str, **environment: str) -> Process:
        ports = {"PORT": str(free_port()), "CHECK_PORT": str(free_port())}
        database = {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/latchkey.sqlite3"}
        processes.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "serve", *arguments],
                cwd=REPOSITORY,
                env={**os.environ, **database, **ports, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield start_one
    for process in processes:
        process.terminate()
        process.communicate(timeout=60)


def first_line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def answers(port: int) -> bool:
    try:
        return get(port) == 200
    except OSError:
        return False


def test_the_check_alone_serves_its_port_and_needs_no_static_files(serve):
    port, check_port = free_port(), free_port()
    process = serve("--only", "check", "--migrate", PORT=str(port), CHECK_PORT=str(check_port))
    assert first_line(process) == f"Gateways ask: http://127.0.0.1:{check_port}/api/v1/verify\n"
    assert (get(check_port, "/health/ready"), get(check_port, "/api/v1/verify")) == (200, 401)
    assert not answers(port)


def test_the_pages_alone_serve_their_port(serve):
    port, check_port = free_port(), free_port()
    process = serve(
        *("--only", "pages", "--migrate"), PORT=str(port), CHECK_PORT=str(check_port), STATIC_ROOT=f"{DATA_DIR}/static"
    )
    assert first_line(process) == f"Latchkey is ready: http://localhost:{port}/\n"
    assert (get(port, "/health/ready"), get(port, "/accounts/signup/")) == (200, 200)
    assert not answers(check_port)


def test_production_is_offered_no_command_that_it_refuses(settings):
    settings.PRODUCTION = True
    words = "\n".join(_ready_lines(pages=Address(socket.AF_INET, "127.0.0.1", 8000)))
    assert "createsuperuser" in words
    assert "demo" not in words


def test_both_can_be_services_beside_each_other(serve):
    """Each of them leaves the other's port alone."""
    ports = {"PORT": str(free_port()), "CHECK_PORT": str(free_port()), "STATIC_ROOT": f"{DATA_DIR}/static"}
    first_line(serve("--only", "pages", "--migrate", **ports))
    first_line(serve("--only", "check", **ports))
    assert get(int(ports["PORT"])) == get(int(ports["CHECK_PORT"])) == 200


@pytest.mark.parametrize("only", ["", "pages", "check"])
def test_a_container_is_healthy_whichever_group_it_serves(serve, only, tmp_path):
    # An image has our modules below this name.
    (tmp_path / "latchkey").symlink_to(REPOSITORY)
    ports = {"PORT": str(free_port()), "CHECK_PORT": str(free_port()), "STATIC_ROOT": f"{DATA_DIR}/static"}
    asks = {**ports, "PYTHONPATH": str(tmp_path)}
    assert container_health(**asks) == 1
    process = serve("--migrate", *(["--only", only] if only else []), SHUTDOWN_DELAY_SECONDS="20", **ports)
    first_line(process)
    assert container_health(**asks) == 0
    process.terminate()  # it is about to stop, and says so
    until(lambda: container_health(**asks) == 1)
    process.send_signal(signal.SIGINT)


def container_health(**variables: str) -> int:
    [command] = re.findall(r"^HEALTHCHECK .+?CMD (\[.+?\])$", (REPOSITORY / "Containerfile").read_text(), re.M | re.S)
    [_, *arguments] = json.loads(command)
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, *arguments], cwd="/", env=environment, stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("only", ["", "pages", "check"])
def test_a_server_without_its_migrations_does_not_start(serve, only):
    process = serve(*(["--only", only] if only else []), STATIC_ROOT=f"{DATA_DIR}/static")
    assert "Run: manage.py migrate" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_migrations_that_cannot_be_applied_stop_the_start_in_words(serve):
    nowhere = f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    process = serve("--migrate", DATABASE_URL=nowhere)
    errors = process.communicate(timeout=60)[1]
    assert "DATABASE_URL: migrations were not applied" in errors
    assert "Traceback" not in errors
    assert process.returncode == 1


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told_when_requests_are_answered(serve, tmp_path, abstract):
    """systemd then starts what comes after this unit: Type=notify."""
    port, check_port = free_port(), free_port()
    name = f"latchkey-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        manager.settimeout(60)
        process = serve(
            "--migrate",
            PORT=str(port),
            CHECK_PORT=str(check_port),
            STATIC_ROOT=f"{DATA_DIR}/static",
            NOTIFY_SOCKET=f"@{name}" if abstract else name,
        )
        assert manager.recv(100) == b"READY=1"
        assert get(port) == get(check_port) == 200
    assert "Latchkey is ready" in first_line(process)


def test_an_orphan_that_the_system_gives_to_the_server_ends_nothing(start):  # noqa: F811
    """The first process of a container becomes the parent of each orphan there, as a subreaper does."""
    port, check_port = free_port(), free_port()
    code = (
        "import ctypes, os, subprocess, sys\n"
        f"ctypes.CDLL(None).prctl({PR_SET_CHILD_SUBREAPER}, 1)\n"
        "subprocess.run(['sh', '-c', 'sleep 1 & exit 0'])\n"
        "os.execv(sys.executable, [sys.executable, 'manage.py', 'serve'])\n"
    )
    process = start(program=["-c", code], PORT=str(port), CHECK_PORT=str(check_port))
    first_line(process)
    until(lambda: "sleep" not in commands_below(process.pid))
    assert get(port) == get(check_port) == 200


def commands_below(pid: int) -> list[str]:
    return [Path(f"/proc/{child}/comm").read_text().strip() for child in children(pid)]


def test_the_check_loads_our_modules_and_not_those_of_the_folder_it_starts_in(tmp_path, prepared):  # noqa: F811
    """The folder's `config` is the package of another project."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "__init__.py").write_text("raise SystemExit('the package of another project')")
    ports = {"PORT": str(free_port()), "CHECK_PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "manage.py"), "serve"],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATA_DIR": str(prepared),
            "DATABASE_URL": f"sqlite:///{prepared}/latchkey.sqlite3",
            **ports,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "Latchkey is ready" in first_line(process)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
