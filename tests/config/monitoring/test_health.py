"""Liveness answers while the process runs. Readiness asks the database."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from config.monitoring.clock import seconds_ahead
from tests.support.environment import ON_SQLITE


def test_liveness_answers_without_asking_the_database(client):
    """T39: pytest-django rejects every query of a test that did not ask for the database."""
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


@pytest.mark.django_db
def test_readiness_answers_while_the_database_does(client):
    """T39"""
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.nodb
def test_without_its_database_a_server_is_live_but_not_ready(without_database):
    """T39"""
    assert without_database.request("GET", "/health/live").status == 200
    assert without_database.request("GET", "/health/ready").status == 503


# The clock


@pytest.mark.django_db
@pytest.mark.skipif(ON_SQLITE, reason="SQLite has no clock of its own")
@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "seconds ahead of the database"), (-30, "seconds behind the data")]
)
def test_a_process_whose_clock_differs_from_the_databases_is_not_ready_and_says_why(
    client, caplog, monkeypatch, seconds, words
):
    """L1"""
    monkeypatch.setattr("common.outages._last_lines", {})
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert "not_ready" in caplog.text
    assert words in caplog.text
    assert client.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("theirs", "took", "ahead"),
    [
        (100.0, 0.0, 0.0),
        (104.0, 5.0, 0.0),  # a slow answer: the database read its clock late
        (98.5, 0.0, 1.5),
        (98.5, 5.0, 1.5),  # a slow answer hides no clock that is ahead
        (101.5, 0.0, -1.5),
        (106.5, 5.0, -1.5),
    ],
)
def test_the_time_that_an_answer_takes_is_no_difference_of_clocks(theirs, took, ahead):
    assert seconds_ahead(theirs, 100.0, took) == ahead


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_never_cached_and_sets_no_cookie(db, client, path):
    answer = client.get(path)
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_supervisor_may_ask_by_address(client, path):
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
