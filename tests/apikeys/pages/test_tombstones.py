"""A page reads only the rows that it shows, however many keys the project has deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.usage import counting, figures
from apikeys.usage.figures import Period, keys_counted
from common.answers import csv_files
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.support.factories import ApiKeyFactory
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db
MOST = 20


@pytest.fixture(autouse=True)
def few(monkeypatch) -> None:
    monkeypatch.setattr(figures, "MOST_DELETED", MOST)


def bury(project: Project, number: int, **fields: Any) -> list[ApiKey]:
    """Deleted keys, each with its two events."""
    now = timezone.now()
    fields = {"deleted_at": now, "state": KeyState.DELETED, "ciphertext": None, "ring_key_id": "", **fields}
    rows = ApiKeyFactory.build_batch(number, project=project, responsible=project.created_by, **fields)
    keys = ApiKey.objects.bulk_create(rows)
    kinds = ("created", "deleted")
    AuditEvent.objects.bulk_create(AuditEvent(project=project, key=key, kind=kind) for key in keys for kind in kinds)
    return keys


class Asked:
    def __init__(self) -> None:
        self.statements = 0
        self.largest = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        self.largest = max(self.largest, len(params or ()))
        return execute(sql, params, many, context)


@contextmanager
def asked() -> Iterator[Asked]:
    """The number of statements inside the block, and the number of values in the largest one."""
    seen = Asked()
    with connection.execute_wrapper(seen):
        yield seen


PAGES = {
    "dashboard": "",
    "settings": "",
    "settings of deleted keys": "?state=deleted",
    "settings searched": "?q=nothing",
    "activity": "",
    "activity, late": "?page=9",
    "usage of a day": "?range=24h",
    "usage of a month": "?range=30d",
    "usage of a year": "?range=12m",
    "usage_csv of a day": "?range=24h",
    "usage_csv of a year": "?range=12m",
    "list": "",
}


def address(page: str, project: Project) -> str:
    name = page.partition(" ")[0].rstrip(",")
    if name == "list":
        return reverse("projects:list")
    return reverse(f"apikeys:{name}", args=[project.public_id]) + PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_costs_the_same_statements_for_any_number_of_deleted_keys(page, signed_in, owner, project, api_key):
    """T46: the part about deleted keys. With 100,000 of them, Usage once took 15 s and its CSV 45 s."""
    client = signed_in(owner)
    counting.record(api_key.pk, "ok", timezone.now().timestamp(), None)
    counting.flush()
    bury(project, 30)
    b"".join(client.get(address(page, project)))
    with asked() as with_few:
        b"".join(client.get(address(page, project)))
    bury(project, 400, last_refused_at=timezone.now(), refused_calls=1)
    with asked() as with_many:
        answer = client.get(address(page, project))
        b"".join(answer)
    assert answer.status_code == 200
    assert with_many.statements <= with_few.statements
    assert with_many.largest < MOST + 40, "no statement names every key"


def test_a_project_is_deleted_without_reading_its_deleted_keys(owner, project, api_key):
    from projects.services import delete_project

    bury(project, 400)
    with asked() as seen:
        delete_project(project=project, by=owner)
    assert seen.statements < 40
    assert seen.largest < 40
    api_key.refresh_from_db()
    assert api_key.is_deleted


def test_keys_are_listed_without_reading_deleted_ones(project, api_key, capsys):
    bury(project, 400)
    with asked() as seen:
        call_command("listkeys", project.public_id)
    assert seen.statements < 10
    assert api_key.public_id in capsys.readouterr().out


def calls(key: ApiKey, outcome: str = "ok", ago: timedelta = timedelta(0)) -> None:
    counting.record(key.pk, outcome, (timezone.now() - ago).timestamp(), "203.0.113.7")
    counting.flush()


def counted(project: Project, period: Period = Period.DAY) -> set[str]:
    return {key.name for key in keys_counted(project, period).keys}


def test_a_key_that_was_deleted_counts_in_each_range_that_can_hold_a_call_of_it(project, owner):
    """The range depends on its last use, its last refusal, and earlier refusals, which left no time on the key."""
    made = {name: create_key(project=project, name=name, by=owner).key for name in ("used", "refused", "paused", "old")}
    calls(made["used"])
    pause_key(key=made["paused"], by=owner)
    calls(made["paused"], "paused")
    for key in made.values():
        delete_key(key=key, by=owner)
    calls(made["refused"], "deleted")
    ApiKey.objects.filter(pk=made["old"].pk).update(deleted_at=timezone.now() - timedelta(days=40))
    assert counted(project) == {"used", "refused", "paused"}
    assert counted(project, Period.YEAR) == {"used", "refused", "paused", "old"}


def test_only_the_deleted_keys_that_were_called_last_count_and_the_page_says_so(signed_in, owner, project, api_key):
    now = timezone.now()
    called = bury(project, MOST, last_refused_at=now, name="called")
    bury(project, 5, name="never called")
    page = reverse("apikeys:usage", args=[project.public_id])
    assert keys_counted(project, Period.DAY).all_of_them
    assert "Of the deleted keys" not in signed_in(owner).get(page).content.decode()
    bury(project, 1, last_refused_at=now - timedelta(hours=1), name="called before")
    found = keys_counted(project, Period.DAY)
    assert {key.pk for key in found.keys} == {api_key.pk, *(key.pk for key in called)}
    assert "Of the deleted keys, only the 20 that were used last are listed" in text(signed_in(owner).get(page))


def test_a_large_file_of_usage_waits_on_the_disk_and_comes_whole(signed_in, owner, project, api_key, monkeypatch):
    """Memory stays small while a slow client reads the file."""
    monkeypatch.setattr(csv_files, "IN_MEMORY", 100)
    calls(api_key)
    answer = signed_in(owner).get(reverse("apikeys:usage_csv", args=[project.public_id]))
    content = b"".join(answer)
    assert len(content.splitlines()) == 2
    assert api_key.public_id.encode() in content
