"""Values that each reader of a variable accepts or rejects. The error has the variable's name but not its value."""

import os
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import given_addresses, variables

pytestmark = pytest.mark.nodb


def number(name: str) -> int:
    return variables.whole_number(name, 8, least=1, most=512)


def seconds(name: str) -> float:
    return variables.seconds(name, 1.5)


def flag(name: str) -> bool:
    return variables.flag(name, True)


def level(name: str) -> int:
    return variables.log_level(name, 20)


def word(name: str) -> str:
    return variables.one_of(name, "none", "mandatory")


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (number, "", 8),
        (number, " 512 ", 512),
        (seconds, "", 1.5),
        (number, "007", 7),
        (seconds, "0.05", 0.05),
        (seconds, ".5", 0.5),
        (seconds, "86400", 86_400),
        (flag, "", True),
        (flag, "False", False),
        (flag, "on", True),
        (level, "", 20),
        (level, "debug", 10),
        (word, "", "none"),
        (word, "mandatory", "mandatory"),
        (variables.umask, "027", 0o027),
        (variables.token, "", ""),
        (variables.token, "0123456789-_.~+/=abc", "0123456789-_.~+/=abc"),
        (given_addresses.web_address, "https://[::1]:8443/", "https://[::1]:8443"),
        (given_addresses.web_address, "http://api", "http://api"),
        (given_addresses.web_address, "https://schlüssel.test/api", "https://schlüssel.test/api"),
    ],
)
def test_a_reader_takes_what_can_work_and_an_empty_variable_counts_as_not_set(read, text, value, monkeypatch, tmp_path):
    """Every variable may also come from a file."""
    monkeypatch.setenv("OURS", text)
    monkeypatch.setenv("OURS_FILE", "")
    assert read("OURS") == value
    if text:
        monkeypatch.setenv("OURS", " ")
        (tmp_path / "file").write_text(f"{text}\r\n")
        monkeypatch.setenv("OURS_FILE", str(tmp_path / "file"))
        assert read("OURS") == value


def in_two_places(file: Path) -> str:
    os.environ["OURS"] = "hunter2"
    file.write_text("hunter2")
    return "OURS: OURS_FILE is set too. Set one of them."


def unreadable(file: Path) -> str:
    return f"OURS_FILE: cannot read {file}: No such file or directory."


def a_folder(file: Path) -> str:
    file.mkdir()
    return f"OURS_FILE: cannot read {file}: Is a directory."


def empty(file: Path) -> str:
    file.write_text(" \n")
    return f"OURS_FILE: {file} is empty."


def no_text(file: Path) -> str:
    file.write_bytes(b"hunter2\xff")
    return f"OURS_FILE: {file} is no text."


@pytest.mark.parametrize("make", [in_two_places, unreadable, a_folder, empty, no_text])
def test_a_file_that_cannot_be_used_is_refused_by_its_name(make, tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "")
    monkeypatch.setenv("OURS_FILE", str(tmp_path / "file"))
    words = make(tmp_path / "file")
    with pytest.raises(ImproperlyConfigured) as refused:
        variables.given("OURS")
    assert str(refused.value) == f"{words} See docs/settings.md."


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((number, text) for text in ("0", "513", "hunter2", "1.5", "1_0", "+5", "٥", "9" * 5_000)),
        *((seconds, text) for text in ("-1", "nan", "inf", "86401", "1_0", "1e3", "+5", "٥", "hunter2")),
        *((flag, text) for text in ("hunter2", "2")),
        (level, "hunter2"),
        (variables.umask, "022"),
        *((variables.token, text) for text in ("hunter2", "x" * 19, "hunter2 " * 5, "hunter2\t" * 5, "ü" * 40)),
        *((given_addresses.web_address, text) for text in ("hunter2", "https://", "ftp://a.test", "https://a b.test")),
        *(
            (given_addresses.web_address, text)
            for text in ("https://a.test:99999", "https://a..test", "https://-a.test")
        ),
        *(
            (given_addresses.web_address, text)
            for text in ("https://hunter2:x@a.test", "https://a.\ntest", "https://[::x]")
        ),
    ],
)
def test_a_reader_refuses_what_cannot_work_in_one_line_by_its_name(read, text, monkeypatch):
    monkeypatch.setenv("OURS", text)
    with pytest.raises(ImproperlyConfigured, match=r"^OURS: [^\n]+ See docs/settings\.md\.$") as refused:
        read("OURS")
    assert "hunter2" not in str(refused.value)
