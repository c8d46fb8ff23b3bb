"""One broken client cannot fill the log: after a few lines a minute, its refusals are only counted."""

import logging
import time
from collections.abc import Iterator

import pytest

from apikeys import writer_thread
from apikeys.verify import gateway
from common import refusal_lines
from common.refusal_lines import LINES_A_MINUTE, MOST_ADDRESSES, record_refusal
from common.security_log import Event
from tests.support.calls.api_client import bearer

pytestmark = pytest.mark.nodb


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    refusal_lines.forget()
    yield
    refusal_lines.forget()


@pytest.fixture
def written(caplog) -> list[dict]:
    """The lines of the security log."""
    caplog.set_level(logging.INFO, "security")

    class Found(list):
        def __iter__(self):
            return iter([record.msg for record in caplog.records if record.name == "security"])

        def of(self, event):
            return [line for line in self if line["event"] == event]

    return Found()


@pytest.fixture
def pass_a_minute(monkeypatch):
    def move() -> None:
        later = time.monotonic() + refusal_lines.MINUTE + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)

    return move


def refuse(number: int, address: str = "192.0.2.1", code: str = "key_unknown", key: str | None = None) -> None:
    for _ in range(number):
        record_refusal(Event.VERIFY_REFUSED, address=address, code=code, key=key, status=401)


def test_beyond_the_limit_one_line_tells_the_numbers(written, pass_a_minute):
    refuse(LINES_A_MINUTE + 500)
    refuse(20, code="key_paused", key="key_a")
    refuse(1, "192.0.2.2")
    assert len(written.of("verify_refused")) == LINES_A_MINUTE + 1
    assert not written.of("more_refused")
    pass_a_minute()
    assert refusal_lines.write_summaries() is False
    [line] = written.of("more_refused")
    assert (line["of"], line["address"], line["number"]) == ("verify_refused", "192.0.2.1", 520)
    assert line["codes"] == {"key_unknown": 500, "key_paused": 20}
    assert (line["keys"], line["outcome"], line["level"]) == (["key_a"], "refused", "warning")


def test_each_minute_begins_with_lines_of_its_own(written, pass_a_minute):
    refuse(LINES_A_MINUTE + 1)
    pass_a_minute()
    refuse(LINES_A_MINUTE + 1)
    assert len(written.of("verify_refused")) == 2 * LINES_A_MINUTE
    assert len(written.of("more_refused")) == 1, "the next refusal writes the line of the minute before"


def test_an_address_that_stays_below_the_limit_leaves_no_further_line(written, pass_a_minute):
    refuse(LINES_A_MINUTE)
    pass_a_minute()
    refusal_lines.write_all()
    assert not written.of("more_refused")


def test_addresses_of_one_network_share_their_lines(written):
    for number in range(100):
        refuse(1, f"2001:db8::{number:x}")
    assert len(written.of("verify_refused")) == LINES_A_MINUTE


def test_more_addresses_than_are_remembered_share_the_lines_of_one(written):
    for number in range(MOST_ADDRESSES + 100):
        refuse(1, f"10.0.{number // 250}.{number % 250}")
    assert len(written.of("verify_refused")) == MOST_ADDRESSES + LINES_A_MINUTE
    refusal_lines.write_all()
    [line] = written.of("more_refused")
    assert (line["number"], "address" in line) == (100 - LINES_A_MINUTE, False)


def test_during_an_outage_all_addresses_share_the_lines_of_one(written):
    for number in range(200):
        facts = {"address": f"10.1.0.{number}", "code": "unavailable", "status": 503}
        record_refusal(Event.VERIFY_REFUSED, **facts, error="The database is away.")
    assert len(written.of("verify_refused")) == LINES_A_MINUTE
    assert {line["error"] for line in written} == {"The database is away."}


def test_the_end_of_a_process_writes_what_is_left(written):
    refuse(LINES_A_MINUTE + 3)
    assert refusal_lines.write_all in writer_thread._at_the_end
    refusal_lines.write_all()
    assert [line["number"] for line in written.of("more_refused")] == [3]


def test_the_writers_thread_looks_again_until_everything_is_written():
    """Nobody else wakes it if the client has stopped."""
    assert refusal_lines.write_summaries in writer_thread._each_turn
    refuse(LINES_A_MINUTE + 1)
    assert refusal_lines.write_summaries() is True


def test_the_check_of_a_broken_client_writes_few_lines(written, db):
    environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": "Bearer x", "wsgi.url_scheme": "http"}
    environ |= {"PATH_INFO": "/api/v1/verify", "REMOTE_ADDR": "192.0.2.9"}
    for _ in range(LINES_A_MINUTE + 20):
        list(gateway.application(environ, lambda *_: None))
    assert len(written.of("verify_refused")) == LINES_A_MINUTE


def test_rejected_calls_of_the_api_leave_no_other_line_either(client, lines, db):
    """A call has a line of its own in the log, too."""
    for _ in range(LINES_A_MINUTE + 20):
        assert client.get("/api/v1/me", headers=bearer("x")).status_code == 401
    text = lines.getvalue()
    assert text.count("api_call_refused") == text.count("request_finished") == LINES_A_MINUTE
    refusal_lines.write_all()
    assert "of='api_call_refused' address='127.0.0.1' number=20" in lines.getvalue()
    assert client.get("/accounts/login/").status_code == 200
    assert lines.getvalue().count("request_finished") == LINES_A_MINUTE + 1
