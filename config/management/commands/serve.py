import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from errno import EADDRNOTAVAIL
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections
from django.urls import reverse

from accounts.sign_up import sign_up_policy
from accounts.ways import has_passwords
from apikeys.verify import gateway
from common import installation, outages
from common.metrics import shared_counts
from common.whole_numbers import read_whole
from config.monitoring import readiness
from config.serving import service_manager
from config.serving.supervisor import Group, run

# Where processors are short, the check gets three times as much of them as pages and API.
PAGES_NICENESS = 5


class Address(NamedTuple):
    family: socket.AddressFamily
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a program on this machine finds the server, also if it listens on every address."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def site(self) -> str:
        """The same for a person: by name, because browsers refuse passkeys at an IP address."""
        is_here = self.host in {"127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104
        return f"http://localhost:{self.port}" if is_here else self.url


# By name: where each group listens, and what it runs.
Groups = dict[str, tuple[Address, Group]]


class Command(BaseCommand):
    help = (
        "Serve Latchkey with granian: pages and API on PORT, the check for gateways on CHECK_PORT. "
        "SIGTERM and Ctrl+C finish the requests at hand, then stop it."
    )

    requires_system_checks = ()  # readiness.refusal() says the same on one line

    def add_arguments(self, parser: CommandParser) -> None:
        for name, default, help_text in (
            ("HOST", "127.0.0.1", "Address to listen on."),
            ("PORT", "8000", "Port of pages and API."),
            ("WORKERS", "1", "Processes that serve pages and API."),
            ("CHECK_PORT", "", "Port of the check that gateways ask for. Default: PORT + 1."),
            ("CHECK_WORKERS", "1", "Processes that serve the check."),
        ):
            value = os.environ.get(name) or default
            option = f"--{name.lower().replace('_', '-')}"
            parser.add_argument(option, default=value, help=f"{help_text} Environment: {name}.")
        parser.add_argument(
            "--only", choices=("pages", "check"), help="Serve only this: each can be a service or a machine of its own."
        )
        parser.add_argument("--migrate", action="store_true", help="Apply migrations first, as a container does.")

    def handle(self, *args: Any, **options: Any) -> None:
        groups = _chosen_groups(options)
        if options["migrate"]:
            _migrate()
        if problem := readiness.refusal(pages="pages" in groups):
            raise CommandError(f"Latchkey does not start. {problem}")
        connections.close_all()
        _prepare_metrics(groups)
        addresses = {name: address for name, (address, _) in groups.items()}
        announcing = threading.Thread(target=self._announce, args=(addresses,), daemon=True)
        problem = run(
            [group for _, group in groups.values()],
            when_started=announcing.start,
            delay=settings.SHUTDOWN_DELAY_SECONDS,
        )
        if problem:
            raise CommandError(problem)

    def _announce(self, addresses: dict[str, Address]) -> None:
        while not all(_listens(address) for address in addresses.values()):
            time.sleep(0.05)
        service_manager.tell_ready()
        self.stdout.write("\n".join(_ready_lines(**addresses)))
        self.stdout.flush()


def _prepare_metrics(groups: Groups) -> None:
    """Makes the file in which the processes share their counts."""
    if not settings.METRICS_TOKEN:
        return
    folder = settings.DATA_DIR / "metrics"
    try:
        shared_counts.make_file(folder, {name: group.workers for name, (_, group) in groups.items()})
    except OSError as error:
        raise CommandError(f"DATA_DIR: cannot write in {folder}: {error.strerror}.") from error


def _migrate() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        raise CommandError(f"DATABASE_URL: migrations were not applied: {outages.words(error)}") from error


def _chosen_groups(options: dict[str, Any]) -> Groups:
    host, only = options["host"], options["only"]
    port = _number("PORT", options["port"], 65535)
    check_port = _number("CHECK_PORT", options["check_port"] or port + 1, 65535)
    if check_port == port:
        raise CommandError(f"CHECK_PORT must be another port than PORT, not {port} too.")
    workers = _number("WORKERS", options["workers"], 256)
    check_workers = _number("CHECK_WORKERS", options["check_workers"], 256)
    chosen: Groups = {}
    if only != "check":
        at, module = _free_address("PORT", host, port), os.environ["DJANGO_SETTINGS_MODULE"]
        command = ("config.wsgi.application", at.host, at.port, workers, settings.THREADS, PAGES_NICENESS)
        chosen["pages"] = at, Group("pages", module, *command)
    if only != "pages":
        at = _free_address("CHECK_PORT", host, check_port)
        # One more, for scrapes (config/serving/spare_thread.py).
        threads = settings.THREADS + bool(settings.METRICS_TOKEN)
        command = ("config.check.application", at.host, at.port, check_workers, threads, 0)
        chosen["check"] = at, Group("check", "config.check_settings", *command)
    return chosen


def _ready_lines(pages: Address | None = None, check: Address | None = None) -> Iterator[str]:
    if pages:
        yield f"Latchkey is ready: {pages.site}/"
    if check:
        yield f"Gateways ask: {check.url}{gateway.PATH}"
    if pages:
        site = settings.BASE_URL if settings.PRODUCTION else pages.site
        yield f"Next: {_next_step(site)}"
        if not settings.PRODUCTION:
            yield f"To look around with sample data: {_manage('demo')}"
        yield f"To use the admin at {site}/admin/: {_manage('createsuperuser')}"


def _next_step(site: str) -> str:
    if settings.SIGN_UP != sign_up_policy.OPEN:
        return f"prepare an account with {_manage('createuser')} EMAIL"
    if not has_passwords():
        return f"sign in at {site}{reverse('account_login')}"
    return f"create an account at {site}{reverse('account_signup')}"


def _manage(command: str) -> str:
    """A command of this installation, ready to be pasted where the server was started."""
    if not installation.IS_CHECKOUT:
        return f"{installation.MANAGE} {command}"
    python = Path(sys.executable)
    short = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return shlex.join([str(short), sys.argv[0], command])


def _number(name: str, value: str | int, most: int) -> int:
    text = str(value).strip()
    if number := read_whole(text, most):
        return number
    raise CommandError(f"{name} must be a number from 1 to {most}, not {text!r}.")


def _free_address(name: str, host: str, port: int) -> Address:
    """Where to listen; `name` is the setting of the port. Raises CommandError if that is impossible.

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
            if error.errno == EADDRNOTAVAIL:
                raise CommandError(f"HOST: this machine has no address {host!r}.") from error
            raise CommandError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. "
                f"Stop what is there, or choose another port: {name}={port + 2 if port < 65534 else 8000}"
            ) from error
    return Address(family, str(ip), port)


def _listens(address: Address) -> bool:
    host = address.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        host = "127.0.0.1" if address.family == socket.AF_INET else "::1"
    try:
        socket.create_connection((host, address.port), timeout=1).close()
    except OSError:
        return False
    return True
