"""Every kind of request, from a program or a browser, and how long it took."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlencode

from tests.faults.fill import PASSWORD
from tests.faults.installation import People
from tests.support.programs.servers import Answer, Server

_FORM = "application/x-www-form-urlencoded"
_UPLOAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'


class Timed(NamedTuple):
    """`status` is 0 if the connection brought no answer; `began` is on the clock of time.monotonic()."""

    kind: str
    status: int
    began: float
    seconds: float
    body: bytes
    location: str = ""


Call = Callable[[], Timed]


class Caller:
    """Calls one server. Each method is one kind of request, over a connection of its own.

    Forms come from `address` if the server trusts the proxy header (TRUSTED_PROXIES).
    """

    def __init__(self, server: Server, people: People, address: str | None = None) -> None:
        self.server, self.people = server, people
        self._address = {"X-Forwarded-For": address} if address else {}
        form = server.request("GET", "/accounts/login/")
        self._token = str(form.headers["Set-Cookie"]).partition("csrftoken=")[2].partition(";")[0]

    def check(self, secret: str | None = None) -> Timed:
        return self._timed("check", lambda: self.server.check(secret or self.people.secrets[0]))

    def paused_check(self) -> Timed:
        return self.check(self.people.paused_secret)._replace(kind="check of a paused key")

    def files(self) -> Timed:
        return self._call("API, files", "GET", "/api/v1/files", headers=self._bearer())

    def upload(self) -> Timed:
        headers = {**self._bearer(), "Content-Type": "multipart/form-data; boundary=b"}
        return self._call("API, upload", "POST", "/api/v1/files", _UPLOAD, headers)

    def delete_file(self, file_id: str) -> Timed:
        return self._call("API, deletion", "DELETE", f"/api/v1/files/{file_id}", headers=self._bearer())

    def dashboard(self) -> Timed:
        return self._call("dashboard", "GET", self._page(""), headers=self._cookies())

    def settings(self) -> Timed:
        return self._call("settings page", "GET", self._page("settings/"), headers=self._cookies())

    def create_key(self) -> Timed:
        return self.post("new key", self._page("keys/new/"), name=f"From a form {time.monotonic()}")

    def login(self) -> Timed:
        return self.post("login", "/accounts/login/", session="", login=self.people.email, password=PASSWORD)

    def check_of_pages(self) -> Timed:
        """The same check on the port of pages and API."""
        return self._call("check, the pages' port", "GET", "/api/v1/verify", headers=self._bearer())

    def ready(self) -> Timed:
        return self._call("readiness", "GET", "/health/ready")

    def check_ready(self) -> Timed:
        port = self.server.check_port
        return self._timed("readiness of the check", lambda: self.server.request("GET", "/health/ready", port=port))

    def live(self) -> Timed:
        return self._call("liveness", "GET", "/health/live")

    @property
    def asking_the_database(self) -> list[Call]:
        programs = [self.check, self.paused_check, self.check_of_pages, self.files, self.upload]
        programs += [self.ready, self.check_ready]
        return [*programs, self.dashboard, self.settings, self.create_key, self.login]

    def _page(self, path: str) -> str:
        return f"/projects/{self.people.project_id}/{path}"

    def _bearer(self, secret: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret or self.people.secrets[0]}"}

    def _cookies(self, session: str | None = None) -> dict[str, str]:
        session = self.people.session if session is None else session
        return {"Cookie": f"csrftoken={self._token}; sessionid={session}"}

    def post(self, kind: str, path: str, session: str | None = None, **form: str) -> Timed:
        """A form of the owner's browser, or of a browser with another session."""
        headers = {**self._cookies(session), "Content-Type": _FORM, **self._address}
        return self._call(kind, "POST", path, urlencode({**form, "csrfmiddlewaretoken": self._token}), headers)

    def _call(
        self, kind: str, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Timed:
        return self._timed(kind, lambda: self.server.request(method, path, body, headers))

    def _timed(self, kind: str, request: Callable[[], Answer]) -> Timed:
        began = time.monotonic()
        try:
            status, fields, content = request()
        except (OSError, HTTPException):
            return Timed(kind, 0, began, time.monotonic() - began, b"")
        return Timed(kind, status, began, time.monotonic() - began, content, fields.get("Location", ""))


def at_once(calls: Iterable[Call]) -> list[Timed]:
    calls = list(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


def slowest(calls: Iterable[Timed]) -> float:
    return max(call.seconds for call in calls)


@contextmanager
def loading(calls: Iterable[Call], pause: float = 0.1) -> Iterator[list[Timed]]:
    """A program for each of `calls`, which repeats it; the list holds the answers."""
    answers: list[Timed] = []
    stopping = threading.Event()

    def go_on(call: Call) -> None:
        while not stopping.wait(pause):
            answers.append(call())

    programs = [threading.Thread(target=go_on, args=[call]) for call in calls]
    for program in programs:
        program.start()
    try:
        yield answers
    finally:
        stopping.set()
        for program in programs:
            program.join()


def until_answered(caller: Caller, since: float, seconds: float = 30) -> float:
    """How long after `since` the last of these kinds had its first good answer."""
    for call, status in ((caller.check, 204), (caller.files, 200), (caller.dashboard, 200), (caller.ready, 200)):
        while (answer := call()).status != status:
            assert time.monotonic() < since + seconds, answer
            time.sleep(0.02)
    return time.monotonic() - since
