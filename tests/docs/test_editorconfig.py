"""Every text file follows .editorconfig."""

import subprocess

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb


def faults(content: bytes, *, is_email: bool) -> list[str]:
    text = content.decode()
    found = ["CR"] if "\r" in text else []
    if is_email:
        return found
    if text and not text.endswith("\n"):
        found.append("no newline at the end")
    return found + [
        f"white space at the end of line {n}" for n, line in enumerate(text.split("\n"), 1) if line != line.rstrip()
    ]


def test_no_file_has_other_line_ends_or_white_space_at_the_end():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for name in filter(None, listed.split("\0")):
        path = REPOSITORY / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            is_email = name.startswith("templates/") and name.endswith(".txt")
            found[name] = faults(content, is_email=is_email)
    assert found
    assert not {name: wrong for name, wrong in found.items() if wrong}
