"""A secret in a log line is masked, whichever library wrote the line."""

import logging
from dataclasses import dataclass
from io import StringIO

import pytest
import structlog
from django.db import OperationalError

from apikeys.secrets.secret_format import generate

pytestmark = pytest.mark.nodb


@pytest.fixture
def secret() -> str:
    return generate("lk_")


def assert_masked(lines: StringIO, secret: str) -> None:
    written = lines.getvalue()
    assert secret[:7] in written, "nothing was logged"
    assert secret not in written
    # The middle of the secret, which the mask hides.
    assert secret[8:-5] not in written


@dataclass
class Holder:
    header: str


AROUND = {
    "alone": "{}",
    "header": "Authorization: Bearer {}",
    "query": "GET /verify?key={}&x=1",
    "percent-encoded": "GET /verify?h=Bearer%20{}%0A",
    "environment": "LATCHKEY_API_KEY={}",
    "after a word": "TOKEN_{}",
    "after a letter": "x{}",
    "before a letter": "{}x",
    "before an underscore": "{}_old",
    "escaped line feed": "Bearer\\n{}\\n",
    "JSON": '{{"key":"{}"}}',
    "twice": "{0},{0}",
}


@pytest.mark.parametrize("text", AROUND.values(), ids=AROUND.keys())
def test_a_secret_in_a_message_is_masked_whatever_stands_around_it(lines, secret, text):
    logging.getLogger("any.library").warning(text.format(secret))
    structlog.get_logger("ours").warning(text.format(secret))
    assert_masked(lines, secret)


WRITERS = {
    "an argument": lambda secret: logging.getLogger("a").warning("header %s", secret),
    "arguments by name": lambda secret: logging.getLogger("a").warning("%(h)s", {"h": secret}),
    "bytes": lambda secret: logging.getLogger("a").warning("header %s", secret.encode()),
    "a value": lambda secret: structlog.get_logger("a").warning("x", header=secret),
    "a value in bytes": lambda secret: structlog.get_logger("a").warning("x", header=secret.encode()),
    "a name": lambda secret: structlog.get_logger("a").warning("x", **{secret: 1}),
    "nested values": lambda secret: structlog.get_logger("a").warning("x", h={"a": [{"b": (secret,)}]}),
    "a set": lambda secret: structlog.get_logger("a").warning("x", h={secret}),
    "an object": lambda secret: structlog.get_logger("a").warning("x", h=Holder(secret)),
    "an exception as value": lambda secret: structlog.get_logger("a").warning("x", error=ValueError(secret)),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_secret_is_masked_however_it_is_passed(lines, secret, write):
    write(secret)
    assert_masked(lines, secret)


@pytest.mark.parametrize(
    "logger", [logging.getLogger("any.library"), structlog.get_logger("ours")], ids=["std", "ours"]
)
def test_a_secret_in_a_traceback_is_masked(lines, secret, logger):
    try:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"no such key: {secret}") from error
    except ValueError:
        logger.exception("failed")
    assert_masked(lines, secret)
    assert "Traceback" in lines.getvalue()


def test_a_bound_value_is_masked(lines, secret):
    with structlog.contextvars.bound_contextvars(header=secret):
        structlog.get_logger("ours").warning("x")
    assert_masked(lines, secret)


def test_text_that_is_no_secret_is_not_masked(lines):
    ids = "req_0123456789abcdef key_0123456789abcdef prj_0123456789abcdef lk_7Hq2••••••••wX9d"
    logging.getLogger("any.library").warning(ids)
    assert ids in lines.getvalue()


def test_without_its_database_a_request_leaves_one_line_with_the_reason(lines):
    """During an outage, every request logs one such line."""
    try:
        raise OperationalError("connection refused\n")
    except OperationalError:
        structlog.get_logger("request").exception("request_failed", status=500)
    written = lines.getvalue()
    assert "connection refused" in written
    assert "status=503" in written
    assert "Traceback" not in written
    assert written.count("\n") == 1


@pytest.mark.parametrize("part", [slice(3, None), slice(3, 33)], ids=["without its prefix", "nor its checksum"])
def test_the_random_part_of_a_secret_is_masked_alone(part, lines, secret):
    """T29: the random part suffices, because anyone can compute the prefix and the checksum."""
    logging.getLogger("anything").warning("GET /projects/?q=%s&page=1", secret[part])
    assert secret[3:7] in lines.getvalue()
    assert secret[8:28] not in lines.getvalue()
