"""Liveness answers while the process runs. Readiness asks the database."""

import pytest


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


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_never_cached_and_sets_no_cookie(db, client, path):
    answer = client.get(path)
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_supervisor_may_ask_by_address(client, path):
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
