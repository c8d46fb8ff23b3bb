"""The name under which a program saves a download. The program must be able to trust it."""

import os.path
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.files.storage import clean_file_name, content_disposition
from tests.support.calls.api_client import new_file
from tests.support.environment import lacking

pytestmark = pytest.mark.nodb

# A name, and the name under which curl saves the file.
SAVED = {
    "plain.txt": "plain.txt",
    "two words.tar.gz": "two words.tar.gz",
    "Résumé.pdf": "Resume.pdf",
    "Zürich 2024 ☀.csv": "Zurich 2024 _.csv",
    "Straße.txt": "Stra_e.txt",
    "日本語.pdf": "file.pdf",
    "日本語": "file",
    "данные.日本": "file._",
    "ﬃ.txt": "ffi.txt",
    ".env": "env",
    "...x": "x",
    ".日本.pdf": "file.pdf",
    'a"b.txt': "a_b.txt",
    'a"; filename="evil.sh': "a_; filename=_evil.sh",
    "a\\b.txt": "a_b.txt",
    "a/../b.txt": "a_.._b.txt",
    "../../etc/passwd": "file._etc_passwd",
    "．．／etc／passwd": "_etc_passwd",
    "a\r\nSet-Cookie: x": "a_Set-Cookie: x",
    "%2e%2e%2fx": "_2e_2e_2fx",
    "é" * 251 + ".csv": "e" * 251 + ".csv",
    "ﬃ" * 250 + ".csv": "ffi" * 83 + "ff.csv",
}


@pytest.mark.parametrize("name", SAVED)
def test_a_name_has_a_form_that_every_program_can_save(name):
    header = content_disposition(name)
    [quoted] = re.findall(r'^attachment; filename="([^"]*)"', header)
    assert quoted == SAVED[name]
    assert ("filename*=utf-8''" in header) == (quoted != name)


_HEADER = re.compile(r"""attachment; filename="([ -~]{1,255})"(; filename\*=utf-8''[A-Za-z0-9%._~-]*)?""")


@given(st.text(max_size=300))
def test_no_name_means_anything_to_a_header_or_a_file_system(sent):
    for name in (sent, clean_file_name(sent)):
        found = re.fullmatch(
            r'attachment; filename="([ -~]{1,255})"(; filename\*=utf-8\'\'[A-Za-z0-9%._~-]*)?',
            content_disposition(name),
        )
        assert found
        assert not set(found[1]) & set('"\\/%')
        assert not found[1].startswith((".", " "))
    # The extension gives the kind of file.
    extension = os.path.splitext(clean_file_name(sent))[1]
    if re.fullmatch(r"\.[A-Za-z0-9]{1,20}", extension):
        assert found[1].endswith(extension)


@pytest.mark.django_db
def test_curl_saves_a_file_under_its_name(server, api_key, tmp_path):
    """curl reads only `filename`. Without it, curl would save the file as "content"."""
    curl = shutil.which("curl") or lacking("curl")
    for number, name in enumerate(SAVED):
        file = new_file(project=api_key.project, name=name)
        folder = tmp_path / str(number)
        folder.mkdir()
        address = f"{server.url}/api/v1/files/{file.public_id}/content"
        command = [curl, "-sSf", "-OJ", "-H", f"Authorization: Bearer {api_key.secret}", address]
        subprocess.run(command, cwd=folder, check=True, timeout=120)
        assert [path.name for path in folder.iterdir()] == [SAVED[name]]
