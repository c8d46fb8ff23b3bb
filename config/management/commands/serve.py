import os
import shlex
import socket
import sys
import threading
import time
from contextlib import closing
from errno import EADDRNOTAVAIL
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.urls import reverse

from accounts.sign_up import sign_up_policy
from accounts.ways import has_passwords
from apikeys.verify import gateway
from config.serving import readiness
from config.serving.supervisor import Group, run

READY_WITHIN_SECONDS = 30
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

    def handle(self, *args: Any, **options: Any) -> None:
        port = _number("PORT", options["port"], 65535)
        check_port = _number("CHECK_PORT", options["check_port"] or port + 1, 65535)
        if check_port == port:
            raise CommandError(f"CHECK_PORT must be another port than PORT, not {port} too.")
        workers = _number("WORKERS", options["workers"], 256)
        check_workers = _number("CHECK_WORKERS", options["check_workers"], 256)
        pages = _free_address("PORT", options["host"], port)
        check = _free_address("CHECK_PORT", options["host"], check_port)
        if problem := readiness.refusal():
            raise CommandError(f"Latchkey does not start. {problem}")
        connections.close_all()
        module = os.environ["DJANGO_SETTINGS_MODULE"]
        pages_group = Group(
            "pages", module, "config.wsgi.application", *pages[1:], workers, settings.THREADS, PAGES_NICENESS
        )
        check_group = Group(
            "check", "config.check_settings", "config.check.application", *check[1:], check_workers, settings.THREADS, 0
        )
        announcing = threading.Thread(target=self._announce, args=(pages, check), daemon=True)
        problem = run([pages_group, check_group], when_started=announcing.start, delay=settings.SHUTDOWN_DELAY_SECONDS)
        if problem:
            raise CommandError(problem)

    def _announce(self, pages: Address, check: Address) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not (_listens(pages) and _listens(check)):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        site = settings.BASE_URL if settings.PRODUCTION else pages.site
        self.stdout.write(
            f"Latchkey is ready: {pages.site}/\n"
            f"Gateways ask: {check.url}{gateway.PATH}\n"
            f"Next: {_next_step(site)}\n"
            f"To look around with sample data: {_manage('demo')}\n"
            f"To use the admin at {site}/admin/: {_manage('createsuperuser')}"
        )
        self.stdout.flush()


def _next_step(site: str) -> str:
    if settings.SIGN_UP != sign_up_policy.OPEN:
        return f"prepare an account with {_manage('createuser')} EMAIL"
    if not has_passwords():
        return f"sign in at {site}{reverse('account_login')}"
    return f"create an account at {site}{reverse('account_signup')}"


def _manage(command: str) -> str:
    """A command of this installation, ready to be pasted where the server was started."""
    python = Path(sys.executable)
    short = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return shlex.join([str(short), sys.argv[0], command])


def _number(name: str, value: str | int, most: int) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= most):
        raise CommandError(f"{name} must be a number from 1 to {most}, not {text!r}.")
    return int(text)


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
