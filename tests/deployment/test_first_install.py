"""The lines of docs/running.md that lead to the first sign-in: the file of settings, and nginx before the server."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.environment import ON_SQLITE, REPOSITORY, lacking
from tests.support.gateways.proxies import Nginx, find
from tests.support.programs.mail_server import new_certificate
from tests.support.programs.servers import database_url
from tests.support.settings.production import production_environment

DOCUMENTED = (REPOSITORY / "docs" / "running.md").read_text()
SIGN_IN = "/accounts/login/"


def write_settings(folder: Path) -> subprocess.CompletedProcess[str]:
    [lines] = re.findall(r"```sh\n(\(umask 077.+?)```", DOCUMENTED, re.DOTALL)
    return subprocess.run(["sh", "-ec", lines], cwd=folder, capture_output=True, text=True, check=False)


class DocumentedNginx(Nginx):
    """The block of the page, with the ports and the certificate of this run."""

    def __init__(self, folder: Path, pages_port: int) -> None:
        [block] = re.findall(r"```nginx\n(.+?)```", DOCUMENTED, re.DOTALL)
        self.configurations, self.pages_port = folder, pages_port
        (folder / "nginx.conf").write_text(block)
        super().__init__(folder, latchkey_port=0, api_port=0)

    def fitted(self, text: str) -> str:
        certificate = new_certificate(self.folder)
        text, changed = re.subn(r"/etc/ssl/keys\.example\.com\.\w+", str(certificate), text)
        assert changed == 2
        text = text.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        return text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{self.pages_port}")

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, str]:
        """The status, the body and the first cookie that the answer sets."""
        trusting = ssl._create_unverified_context()  # noqa: S323  the certificate was made for this test
        with closing(HTTPSConnection("127.0.0.1", self.port, timeout=60, context=trusting)) as connection:
            connection.request(method, path, body, {"Host": "keys.example.com", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers.get("Set-Cookie", "").partition(";")[0]


@pytest.fixture
def nginx(start_server, tmp_path) -> Iterator[DocumentedNginx]:
    if not find("nginx"):
        lacking("nginx")
    environment = {**production_environment(), "DATABASE_URL": database_url()}
    server = start_server(HOUSEKEEPING_SECONDS="3600", **environment)
    proxy = DocumentedNginx(tmp_path, server.port)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


@pytest.mark.nodb
def test_the_secrets_are_made_once_and_only_their_user_can_read_them(tmp_path):
    first, file = write_settings(tmp_path), tmp_path / "latchkey.env"
    assert (first.returncode, first.stderr) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    written = file.read_text()
    assert write_settings(tmp_path).returncode != 0
    assert file.read_text() == written


@pytest.mark.nodb
def test_production_accepts_the_settings_once_the_password_is_in_them(tmp_path):
    write_settings(tmp_path)
    file = tmp_path / "latchkey.env"
    file.write_text(f"{file.read_text().replace('…', 'secret')}DATA_DIR='{tmp_path}/data'\n")
    [load] = re.findall(r"^set -a; .+$", DOCUMENTED, re.MULTILINE)
    command = f"{load}; exec {sys.executable} {REPOSITORY}/manage.py check"
    checked = subprocess.run(["sh", "-ec", command], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(ON_SQLITE, reason="production refuses SQLite")
@pytest.mark.django_db(transaction=True)
def test_the_form_to_sign_in_comes_through_the_documented_nginx(nginx):
    """A proxy that drops the host or the protocol would have it rejected with 403."""
    status, page, cookie = nginx.ask("GET", SIGN_IN)
    assert status == 200
    [token, *_] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    fields = urlencode({"csrfmiddlewaretoken": token, "login": "ada@example.com", "password": "wrong"})
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://keys.example.com"}
    status, page, _ = nginx.ask("POST", SIGN_IN, fields, Cookie=cookie, **form)
    assert status == 200
    assert "ada@example.com" in page
