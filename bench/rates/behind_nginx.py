"""V16: the check as docs/gateways/nginx.conf asks it, beside calls of the check itself."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

from bench.rates.contenders import ours, unknown_header
from bench.results import Goal
from bench.stage import Measured, NotMeasured, Stage
from bench.tools import processes
from bench.tools.comparing import compared, side_by_side
from bench.tools.load import Contender
from tests.support.environment import DATA_DIR
from tests.support.gateways.proxies import Nginx, find
from tests.support.programs.postgres import free_port

SECONDS_TO_START = 30
# An API whose answer costs next to nothing: another nginx.
_API = """
pid {folder}/api.pid; error_log stderr; events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/api-body;
    proxy_temp_path {folder}/api-proxy;
    fastcgi_temp_path {folder}/api-fastcgi;
    scgi_temp_path {folder}/api-scgi;
    uwsgi_temp_path {folder}/api-uwsgi;
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        default_type application/json;
        add_header X-Answer "of the API" always;
        location /missing {{ return 404 '{{"error": "not here"}}'; }}
        location / {{ return 200 '{{"readings": [1, 2, 3]}}'; }}
    }}
}}
"""
# What the gateway may not change of an answer of the API.
_KEPT = ("Content-Type", "Content-Length", "X-Answer")


def behind_nginx(stage: Stage) -> Measured:
    if find("nginx") is None:
        raise NotMeasured("nginx is missing")
    folder = Path(tempfile.mkdtemp(prefix="bench-nginx-", dir=DATA_DIR))
    with _api(folder) as api_port, _gateway(folder, stage, api_port) as gateway:
        hot = stage.called
        is_unchanged = all(
            _answer(gateway.port, path, hot[0]) == _answer(api_port, path, hot[0]) for path in ("/", "/missing")
        )
        through = Contender("nginx", f"http://127.0.0.1:{gateway.port}/", hot, unknown_header())
        pairs = side_by_side(through, [ours("direct", stage.product, hot)], stage.plan)["direct"]
    measured = "requests per second through nginx's auth_request to an API"
    row = compared("V16", measured, "checks called directly", pairs, Goal(least=0.75))
    return Measured([replace(row, broken="" if is_unchanged else "the API's answer is changed")], {})


@contextmanager
def _gateway(folder: Path, stage: Stage, api_port: int) -> Iterator[Nginx]:
    gateway = Nginx(folder, latchkey_port=stage.product.check_port, api_port=api_port)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@contextmanager
def _api(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "api.conf").write_text(_API.format(folder=folder, port=port))
    command = [str(find("nginx")), "-p", str(folder), "-e", "stderr", "-c", f"{folder}/api.conf", "-g", "daemon off;"]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not processes.listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The API did not start:\n{(folder / 'api.log').read_text()}")
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answer(port: int, path: str, header: str) -> tuple[object, ...]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Authorization": header})
        answer = connection.getresponse()
        return answer.status, answer.read(), *(answer.headers[name] for name in _KEPT)
