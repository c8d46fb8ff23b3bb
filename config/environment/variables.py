"""Reads the environment. Each reader takes the name of a variable, and refuses by that name what cannot work.

A variable that is empty counts as not set. What a reader reads may be in a file instead, which `NAME_FILE` points to.
A variable and its file are never both read, because nobody could tell which of them is in use.
"""

import logging
import os
import re
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

from common import installation
from common.whole_numbers import read_whole
from config.environment import local_secrets

PRODUCTION = os.environ.get("ENV", "local") == "production"

Read = TypeVar("Read")

_WORDS = {**dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True)}
_WORDS |= dict.fromkeys(("0", "false", "f", "no", "n", "off"), False)
_LONGEST_SECONDS = 24 * 60 * 60  # threads cannot wait for just any number
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}")
SHORTEST_TOKEN = 20
_LARGEST = 10**15  # what every database and clock can count to


def refusal(name: str, problem: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: {problem} See docs/settings.md.")


def unreadable(name: str) -> ImproperlyConfigured:
    """Without what was found, which may hold a password."""
    return ImproperlyConfigured(
        f"{name} cannot be read. Write it as docs/settings.md says; in a name or password, / : @ ? # [ ] and % have to "
        "be percent-encoded, as %2F for /."
    )


def _data_dir() -> Path:
    """DATA_DIR, or its default. An installed program is run in many folders, and has to find the same data in each.
    Beside its code, an upgrade would delete the data.
    """
    if folder := os.environ.get("DATA_DIR"):
        return Path(folder).resolve()
    if installation.IS_CHECKOUT:
        return installation.ROOT / "var"
    # https://specifications.freedesktop.org/basedir-spec/latest/: a relative path counts as not set.
    own = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not own.is_absolute():
        own = Path(os.path.expanduser("~/.local/share"))
    if not own.is_absolute():
        raise refusal("DATA_DIR", "this user has no home folder. Set DATA_DIR to the folder of the data.")
    return own / "latchkey"


DATA_DIR = _data_dir()


def given(name: str) -> str:
    """The variable `name`, or the content of the file that `name_FILE` points to, or "". Without white space around it,
    such as the line break at the end of a file.
    """
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if value and path:
        raise refusal(name, f"{name}_FILE is set too. Set one of them.")
    return _content(f"{name}_FILE", path) if path else value


def _content(name: str, path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise refusal(name, f"cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise refusal(name, f"{path} is no text.") from None
    if not content:
        raise refusal(name, f"{path} is empty.")
    return content


def read(name: str, reader: Callable[[str], Read]) -> Read:
    """What the reader makes of the variable. Its ValueError says what is wrong."""
    try:
        return reader(given(name))
    except ValueError as error:
        raise refusal(name, str(error)) from None


def listed(name: str) -> list[str]:
    """The entries of a variable that separates them by commas, with or without spaces."""
    return [entry.strip() for entry in given(name).split(",") if entry.strip()]


def whole_number(name: str, default: int, *, least: int, most: int = _LARGEST) -> int:
    """Raises ImproperlyConfigured below `least` and above `most`."""
    shape = f"a whole number from {least} to {most}"
    return int(_number(lambda text: read_whole(text, most), name, default, least, most, shape))


def seconds(name: str, default: float) -> float:
    """Raises ImproperlyConfigured below 0 and above a day; in production also for 0, which switches off what waits."""
    shape = f"a number of seconds from 0 to {_LONGEST_SECONDS}"
    found = _number(_seconds, name, default, 0, _LONGEST_SECONDS, shape)
    if PRODUCTION and not found:
        raise refusal(name, "in production it must be more than 0 seconds.")
    return found


def _seconds(text: str) -> float | None:
    """float() alone also takes underscores, exponents and the digits of every script."""
    return float(text) if _SECONDS.fullmatch(text) else None


def _number(
    read: Callable[[str], float | None], name: str, default: float, least: float, most: float, shape: str
) -> float:
    """`shape` says what the variable may hold. What it holds is not repeated."""
    text = given(name)
    found = read(text) if text else default
    if found is None or not least <= found <= most:
        raise refusal(name, f"it must be {shape}.")
    return found


def flag(name: str, default: bool) -> bool:
    word = given(name).lower()
    if word and word not in _WORDS:
        raise refusal(name, "it must be true or false.")
    return _WORDS.get(word, default)


def log_level(name: str, default: int) -> int:
    levels, word = logging.getLevelNamesMapping(), given(name).upper()
    if word and word not in levels:
        raise refusal(name, f"it must be one of {', '.join(levels)}.")
    return levels.get(word, default)


def one_of(name: str, *words: str) -> str:
    """The first of `words` unless the variable says another of them."""
    word = given(name) or words[0]
    if word not in words:
        raise refusal(name, f"it must be {' or '.join(words)}, not {word!r}.")
    return word


def secret(name: str, file: str, make: Callable[[], str]) -> str:
    """A secret from the environment; a local server otherwise makes one in DATA_DIR/secrets."""
    value = given(name)
    if value or PRODUCTION:
        return value
    return local_secrets.read_or_create(DATA_DIR / "secrets" / file, make)


def token(name: str) -> str:
    """What a program sends to prove who it is, or "". Raises ImproperlyConfigured for one that can be guessed, or that
    no header can hold.
    """
    value = given(name)
    if value and not (len(value) >= SHORTEST_TOKEN and value.isascii() and value.isprintable() and " " not in value):
        raise refusal(name, f"it must have at least {SHORTEST_TOKEN} visible characters, without spaces.")
    return value


def umask(name: str) -> int:
    """What new files and folders withhold from others. Raises ImproperlyConfigured for what lets everybody read."""
    return int(one_of(name, "077", "027", "007"), 8)


def make_folder(path: Path, *, parents: bool = False) -> Path:
    """A folder in DATA_DIR, or DATA_DIR itself. Raises ImproperlyConfigured where nobody can write."""
    try:
        path.mkdir(exist_ok=True, parents=parents)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        problem = f"cannot write in {path}: {error.strerror}. The server's own user has to be able to."
        raise refusal("DATA_DIR", problem) from None
    return path
