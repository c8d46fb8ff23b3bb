"""A certified OpenID Connect provider (npm's oidc-provider), as a process."""

import html
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.support.environment import DATA_DIR, REPOSITORY, lacking
from tests.support.programs import npm
from tests.support.programs.postgres import free_port

CALLBACK = "/accounts/single-sign-on/callback/"
SOURCE = REPOSITORY / "tests" / "support" / "oidc"
# An upper bound for failures, far above the time that a busy machine needs.
SECONDS_TO_START = 120


class OidcProvider:
    """`settings` are the OIDC_ settings of a server that trusts it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": "latchkey",
            "OIDC_CLIENT_SECRET": "a secret of the client",
            "OIDC_NAME": "Acme",
        }

    @contextmanager
    def running(self, server: str) -> Iterator["OidcProvider"]:
        """`server` is the address at which people use the server that trusts this provider."""
        node = shutil.which("node") or lacking("node")
        program = _installed() / "provider.js"
        log = Path(tempfile.mkstemp(prefix="oidc-", suffix=".log", dir=DATA_DIR)[1])
        with log.open("ab") as output:
            command = [node, str(program), str(self.port), f"{server}{CALLBACK}"]
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + SECONDS_TO_START
            while not self._answers():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield self
        finally:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", "/.well-known/openid-configuration")
            return connection.getresponse().status == 200
        return False


class ProvidersVisitor:
    """Somebody's browser at the provider."""

    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider
        self._cookies: dict[str, str] = {}

    def sign_in(self, address: str, subject: str, email: str, *, verified: bool = True) -> str:
        """Fills in the provider's form, and returns the path to which the provider sends people back."""
        fields = {"subject": subject, "email": email, "answer": "yes"} | ({"verified": "on"} if verified else {})
        return self._answer(address, fields)

    def cancel(self, address: str) -> str:
        return self._answer(address, {"answer": "no"})

    def return_signed_in(self, address: str) -> str:
        """For somebody whom the provider still knows: it asks nothing."""
        return self._path_of(self._follow(address))

    def _answer(self, address: str, fields: dict[str, str]) -> str:
        form = self._follow(address)
        assert "/interaction/" in form, form
        return self._path_of(self._follow(form, urlencode(fields)))

    def _path_of(self, address: str) -> str:
        parts = urlsplit(address)
        assert parts.path == CALLBACK, address
        return f"{parts.path}?{parts.query}"

    def _follow(self, address: str, body: str | None = None) -> str:
        """The address of the form, or of another server, to which the provider leads."""
        for _ in range(10):
            parts = urlsplit(address)
            if parts.port not in {self._provider.port, None}:
                return address
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            with closing(HTTPConnection("127.0.0.1", self._provider.port, timeout=60)) as connection:
                method = "GET" if body is None else "POST"
                connection.request(method, f"{parts.path}?{parts.query}", body, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            for line in answer.headers.get_all("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self._cookies[name] = morsel.value
            if answer.status == 200:
                return address
            assert answer.status in {302, 303}, text
            address, body = answer.headers["Location"], None
        raise AssertionError("The provider redirects without end.")


def address_of_provider(page: str) -> str:
    """Where the page that leads to the provider goes."""
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', page)
    assert found, page
    return html.unescape(found[1])


def _installed() -> Path:
    try:
        return npm.installed(SOURCE, "oidc", "provider.js")
    except npm.NotInstalled as error:
        lacking(f"npm's oidc-provider ({error})")
