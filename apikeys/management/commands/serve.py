import multiprocessing
import os
import signal
import socket
import threading
import time
from contextlib import closing
from typing import Any, NamedTuple

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from apikeys.management import stored_secrets

logger = structlog.get_logger(__name__)

READY_WITHIN_SECONDS = 30
# Longer than the database's own limits allow a request to take, shorter than most supervisors' patience.
DRAIN_SECONDS = 25
# About as many for a request's first line and headers together; beyond, 431. Browsers and proxies send a fraction.
HEADER_BYTES = 64 * 1024
_STOPPING = {signal.SIGINT, signal.SIGTERM}


class Address(NamedTuple):
    family: socket.AddressFamily
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the server, also if it listens on every address."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Command(BaseCommand):
    help = "Serve Latchkey with granian. SIGTERM and Ctrl+C finish the requests at hand, then stop it."

    def add_arguments(self, parser: CommandParser) -> None:
        for name, default, help_text in (
            ("HOST", "127.0.0.1", "Address to listen on."),
            ("PORT", "8000", "Port to listen on."),
            ("WORKERS", "1", "Processes."),
            # Each thread holds a database connection.
            ("THREADS", "8", "Requests that each process works on at once."),
        ):
            value = os.environ.get(name) or default
            parser.add_argument(f"--{name.lower()}", default=value, help=f"{help_text} Environment: {name}.")

    def handle(self, *args: Any, **options: Any) -> None:
        port = _number("PORT", options["port"], 65535)
        workers = _number("WORKERS", options["workers"], 256)
        threads = _number("THREADS", options["threads"], 512)
        address = _free_address(options["host"], port)
        server = _server(address, workers, threads)
        server.on_startup(lambda: self._announce_when_ready(address))
        # A connection that was open before the fork would be shared by the workers.
        connections.close_all()
        server.serve(target_loader=_load)

    def _announce_when_ready(self, address: Address) -> None:
        """granian calls its hook before its workers listen, hence the wait, beside the start."""
        threading.Thread(target=self._announce, args=(address,), daemon=True).start()

    def _announce(self, address: Address) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not _listens(address):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        self.stdout.write(
            f"Latchkey is ready: {address.url}/\n"
            f"Next: sign up at {address.url}/accounts/signup/ and create your first project.\n"
            f"An admin: manage.py createsuperuser, then {address.url}/admin/"
        )
        self.stdout.flush()
        _warn_of_unsealed_rows()


def _warn_of_unsealed_rows() -> None:
    """An upgrade leaves them as they are, because servers of the earlier release cannot read sealed ones."""
    try:
        number = stored_secrets.count_unsealed()
    except DatabaseError:
        return  # /health/ready tells of it
    finally:
        connections.close_all()
    if number:
        logger.warning("rows_not_sealed", number=number, next="manage.py rotate_encryption")


def _number(name: str, value: str | int, most: int) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= most):
        raise CommandError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)


def _free_address(host: str, port: int) -> Address:
    """Where to listen. Raises CommandError if that is impossible.

    granian shares its port (SO_REUSEPORT), so that a second server would silently take half of the first
    one's requests; a socket that does not share finds out.
    """
    try:
        family, _, _, _, (ip, *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"HOST must be an address of this machine, as 127.0.0.1 or 0.0.0.0, not {host!r}."
        ) from error
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. "
                f"Stop what is there, or choose another port: PORT={port % 65535 + 1}"
            ) from error
    return Address(family, str(ip), port)


def _server(address: Address, workers: int, threads: int) -> AbstractServer[Any]:
    server: AbstractServer[Any] = Server(
        "config.wsgi.application",
        address=address.host,
        port=address.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=HEADER_BYTES),
        websockets=False,
        workers=workers,
        blocking_threads=threads,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        # Its warnings advise fewer threads than two cores need while they wait for the database.
        log_level=LogLevels.error,
    )
    return server


def _load(target: str) -> Any:
    """The application, in a worker that ends in order: at the first signal, or when its main process was killed."""
    # From here on every thread leaves the signals to the one below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    main = multiprocessing.parent_process()
    for wait, argument in ((_end_at_signal, signal.getsignal(signal.SIGTERM)), (_end_after, main and main.pid)):
        threading.Thread(target=wait, args=(argument,), name=wait.__name__, daemon=True).start()
    return import_string(target)


def _end_at_signal(handler_while_loading: Any) -> None:
    """Ctrl+C and supervisors reach a worker twice, once through its main process; a second signal hangs granian's."""
    signal.sigwait(_STOPPING)
    handler: Any = signal.getsignal(signal.SIGTERM)
    if handler is handler_while_loading:
        os._exit(0)
    handler(signal.SIGTERM, None)


def _end_after(main: int | None) -> None:
    """A worker that outlives its main process would go on serving the port, beside a server that is started anew."""
    while os.getppid() == main:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _listens(address: Address) -> bool:
    host = address.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        host = "127.0.0.1" if address.family == socket.AF_INET else "::1"
    try:
        socket.create_connection((host, address.port), timeout=1).close()
    except OSError:
        return False
    return True
