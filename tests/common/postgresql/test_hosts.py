"""DATABASE_URL with several hosts: which of them is asked first."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

from common.postgresql import hosts
from config.environment import database_url
from tests.support.environment import ON_SQLITE
from tests.support.programs.postgres import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(ON_SQLITE, reason="SQLite has no hosts")]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch) -> None:
    for name, value in (("_first", 0), ("_current", None), ("moves", 0)):
        monkeypatch.setattr(hosts, name, value)


@pytest.fixture
def another() -> Iterator[Any]:
    """A connection of its own, whose first host takes no connection."""
    other = connection.copy()
    settings = connection.settings_dict
    here, nobody = f"127.0.0.1:{settings['PORT']}", f"127.0.0.1:{free_port()}"
    other.settings_dict |= database_url.parse(f"postgresql://{settings['USER']}@{nobody},{here}/{settings['NAME']}")
    yield other
    other.close()


def order(other: Any) -> str:
    return str(hosts.in_turn(other.get_connection_params())["port"])


def test_the_server_that_was_reached_is_asked_first(another):
    dead, alive = order(another).split(",")
    another.ensure_connection()
    assert order(another) == f"{alive},{dead}"
    another.close()
    another.ensure_connection()
    assert hosts.moves == 0
    assert order(another) == f"{alive},{dead}"


def test_after_a_failure_the_next_host_is_asked_first(another):
    dead, alive = order(another).split(",")
    another.settings_dict["PORT"] = f"{dead},{dead}"
    with pytest.raises(OperationalError):
        another.ensure_connection()
    another.settings_dict["PORT"] = f"{dead},{alive}"
    assert order(another) == f"{alive},{dead}"


def test_a_connection_to_the_former_server_is_not_used_again(another, monkeypatch):
    another.ensure_connection()
    another.close_if_unusable_or_obsolete()
    assert another.connection is not None
    monkeypatch.setattr(hosts, "_current", ("former", 5432))
    later = another.copy()
    later.ensure_connection()
    later.close_if_unusable_or_obsolete()
    assert later.connection is not None
    later.close()
    another.close_if_unusable_or_obsolete()
    assert another.connection is None


def test_one_host_is_left_as_it_is():
    parameters = connection.get_connection_params()
    hosts.note_failed()
    assert hosts.in_turn(parameters) == parameters
    hosts.note_reached(parameters, connection.connection.info)
    assert hosts._current is None
