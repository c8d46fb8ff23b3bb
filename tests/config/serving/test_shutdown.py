"""SIGTERM: a server is not ready before it stops, so that load balancers send their requests elsewhere."""

import os
import signal
from collections.abc import Iterator

import pytest

from config.serving import shutdown
from tests.support.programs.processes import CHECK, PAGES, children, workers
from tests.support.programs.servers import Server

# One readiness check asks one worker only.
ASKED = 20


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that goes on for a minute after SIGTERM."""
    server = Server(workers=2, check_workers=2, SHUTDOWN_DELAY_SECONDS="60")
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.process.send_signal(signal.SIGINT)
        server.stop()


def readiness(server: Server) -> set[tuple[int, bytes]]:
    ports = (server.port, server.check_port)
    found = [server.request("GET", "/health/ready", port=port) for port in ports for _ in range(ASKED)]
    return {(answer.status, answer.body) for answer in found}


@pytest.mark.nodb
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sent_to", ["the supervisor", "every process"])
def test_a_server_that_is_about_to_stop_is_not_ready_and_answers_everything(server, sent_to, api_key):
    """Service managers such as systemd send the signal to every process."""
    assert readiness(server) == {(200, b'{"status": "ready"}')}
    main = server.process.pid
    pids = [main]
    if sent_to == "every process":
        pids += [*children(main), *workers(main, PAGES), *workers(main, CHECK)]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    while (200, b'{"status": "ready"}') in readiness(server):
        pass
    assert readiness(server) == {(503, b'{"status": "stopping"}')}
    assert server.request("GET", "/health/live").status == 200
    assert server.request("GET", "/accounts/login/").status == 200
    assert server.check(api_key.secret).status == 204
    assert_the_log_has_no_error(server)


def assert_the_log_has_no_error(server: Server) -> None:
    """Load balancers ask each process again and again. Each says once that it stops."""
    lines = server.log_text().splitlines()
    stops = [line for line in lines if "event='stopping'" in line]
    assert 1 <= len(stops) <= 4
    assert all("level='info'" in line for line in stops)
    assert not [line for line in lines if "level='error'" in line or "level='warning'" in line or "status=503" in line]


@pytest.mark.nodb
@pytest.mark.django_db(transaction=True)
def test_ctrl_c_ends_a_server_that_waits_for_its_end(server):
    os.kill(server.process.pid, signal.SIGTERM)
    while b"stopping" not in server.request("GET", "/health/ready").body:
        pass
    os.kill(server.process.pid, signal.SIGTERM)  # a second one changes nothing
    os.kill(server.process.pid, signal.SIGINT)
    assert server.process.wait(50) == 0


@pytest.mark.nodb
@pytest.mark.django_db(transaction=True)
def test_the_server_ends_by_itself_after_the_delay():
    with Server.started(SHUTDOWN_DELAY_SECONDS="1") as server:
        server.process.terminate()
        assert server.process.wait(50) == 0


def test_processes_without_a_supervisor_never_stop():
    """A project that embeds Latchkey in a server of its own has no pipe."""
    assert not shutdown.has_begun()
