"""A key's own page, and renaming a key."""

import itertools
import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.lifetimes.ends import end_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from projects.audit_log.models import AuditEvent
from tests.support.places.pages import HTMX, action, page, text


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def counted(key: ApiKey, outcome: str, number: int, ago: timedelta = timedelta()) -> None:
    for _ in range(number):
        counting.record(key.pk, outcome, (timezone.now() - ago).timestamp(), "203.0.113.7")
    counting.flush()


def test_it_says_how_the_key_stands_and_what_happened_to_it(client, api_key, owner):
    answer = client.get(action("key", api_key))
    said = text(answer)
    for words in (api_key.name, api_key.mask, "Active", "Pause", "Edit", "Delete key", f"by {owner.email}"):
        assert words in said
    assert f"{owner.email} created {api_key.name}" in said
    assert api_key.secret not in answer.content.decode()
    pause_key(key=api_key, by=owner)
    said = text(client.get(action("key", api_key)))
    assert "Paused" in said
    assert "Re-enable" in said
    delete_key(key=api_key, by=owner)
    said = text(client.get(action("key", api_key)))
    assert "Deleted" in said
    assert "Delete key" not in said


@pytest.mark.parametrize(("period", "allowed"), [("24h", 3), ("30d", 5), ("12m", 6)])
def test_its_requests_are_those_of_the_usage_page(client, project, api_key, period, allowed):
    for number, days in ((3, 0), (2, 20), (1, 200)):
        counted(api_key, "ok", number, timedelta(days=days))
    said = text(client.get(action("key", api_key), {"range": period}))
    assert f"{allowed} allowed, 0 rejected in the last" in said
    usage = text(client.get(page("apikeys:usage", project), {"key": api_key.public_id, "range": period}))
    assert f"Allowed {allowed} " in usage


def test_its_last_24_hours_are_those_of_the_usage_page_whatever_the_minute(client, project, api_key, time_machine):
    time_machine.move_to(timezone.now().replace(minute=59), tick=False)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for ago in range(26):
        KeyUse.objects.create(
            key=api_key, span="hour", starts_at=hour - timedelta(hours=ago), outcome="ok", calls=1, last_at=hour
        )
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=hour)
    usage = text(client.get(page("apikeys:usage", project), {"key": api_key.public_id}))
    assert "Allowed 25 " in usage
    assert "Requests, last 24 hours 25 " in text(client.get(action("key", api_key)))
    assert "25 requests in the last 24 hours" in text(client.get(action("delete", api_key)))


def test_a_viewer_reads_why_there_are_no_buttons(viewer, signed_in, api_key):
    said = text(signed_in(viewer).get(action("key", api_key)))
    assert "Only owners and developers of the project can create, edit, pause, re-enable, roll and delete keys." in said
    assert "Only owners and developers of the project can copy and reveal secrets." in said
    for button in ("Edit", "Delete key", " Copy "):
        assert button not in said


# Renaming


def rename(client: Client, key: ApiKey, name: str, **headers: Any) -> Any:
    return client.post(action("edit", key), {"name": name}, headers=headers)


def test_a_key_is_renamed_and_an_event_says_so(client, api_key):
    answer = rename(client, api_key, "  Web   server ", Referer="http://testserver" + action("key", api_key))
    assert answer.headers["Location"] == action("key", api_key)
    api_key.refresh_from_db()
    assert api_key.name == "Web server"
    said = text(client.get(answer.headers["Location"]))
    assert "Renamed Production server to Web server." in said
    assert "renamed the key Production server to Web server" in said


def test_htmx_gets_the_row_and_the_dialog_closes(client, project, api_key):
    settings = "http://testserver" + page("apikeys:settings", project)
    answer = rename(client, api_key, "Web server", **HTMX, **{"HX-Current-URL": settings})
    assert answer.headers["HX-Retarget"] == f"#row-{api_key.public_id}"
    assert answer.headers["HX-Trigger-After-Swap"] == "key-dialog-done"
    assert "Web server" in text(answer)


def test_on_the_keys_own_page_htmx_swaps_its_content(client, api_key):
    here = HTMX | {"HX-Current-URL": "http://testserver" + action("key", api_key)}
    answer = rename(client, api_key, "Web server", **here)
    assert (answer.status_code, answer.headers["Location"]) == (302, action("key", api_key))
    followed = client.get(answer.headers["Location"], headers=here)
    assert "Renamed Production server to Web server." in text(followed)
    assert followed.headers["HX-Retarget"] == followed.headers["HX-Reselect"] == "#content"
    assert followed.headers["HX-Push-Url"] == "false"
    elsewhere = rename(client, api_key, "Back", **HTMX, **{"HX-Current-URL": here["HX-Current-URL"] + "delete/"})
    assert elsewhere.headers["HX-Redirect"].endswith(f"#row-{api_key.public_id}")


def test_another_range_by_htmx_gets_an_address_of_its_own(client, api_key):
    here = HTMX | {"HX-Current-URL": "http://testserver" + action("key", api_key)}
    answer = client.get(action("key", api_key) + "?range=24h", headers=here)
    assert answer.headers["HX-Push-Url"] == action("key", api_key) + "?range=24h"


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_a_name_that_is_taken_is_refused_beside_its_field_and_stays_typed(client, project, api_key, owner, headers):
    create_key(project=project, name="Taken", by=owner)
    for name, said in (("tAKEN", "already has a key of that name"), ("a\u202eb", "invisible"), ("", "Enter a name.")):
        answer = rename(client, api_key, name, **headers)
        assert answer.status_code == 422
        assert said in text(answer) or "hidden" in text(answer)
        assert f'value="{name}"' in answer.content.decode() or not name
        assert 'aria-describedby="edit-key-name_error"' in answer.content.decode()
        assert 'id="edit-key-name_error"' in answer.content.decode()
    api_key.refresh_from_db()
    assert api_key.name == "Production server"
    assert not AuditEvent.objects.filter(kind="renamed").exists()


def test_its_own_name_in_other_letters_is_no_conflict_and_the_same_name_no_event(client, api_key):
    rename(client, api_key, "Production server")
    assert not AuditEvent.objects.filter(kind="renamed").exists()
    rename(client, api_key, "PRODUCTION server")
    api_key.refresh_from_db()
    assert api_key.name == "PRODUCTION server"


def test_a_deleted_key_keeps_its_name(client, api_key, owner):
    delete_key(key=api_key, by=owner)
    rename(client, api_key, "Web server")
    api_key.refresh_from_db()
    assert api_key.name == "Production server"
    assert "was deleted in the meantime" in text(client.get(page("apikeys:settings", api_key.project)))


def test_pause_and_undo_on_the_keys_page_come_back_to_it(client, api_key):
    here = {"Referer": "http://testserver" + action("key", api_key)}
    for name in ("pause", "resume"):
        assert client.post(action(name, api_key), headers=here).headers["Location"] == action("key", api_key)
    gone = client.post(action("delete", api_key), headers=here)
    assert gone.headers["Location"] == page("apikeys:settings", api_key.project) + "#api-keys"


@pytest.mark.parametrize("make", ["plain", "paused", "ended", "deleted", "rolled"])
def test_no_heading_skips_a_level(make, client, api_key, owner):
    """Also where nothing asks for attention between the name of the key and its requests."""
    change = {
        "paused": pause_key,
        "ended": end_key,
        "deleted": delete_key,
        "rolled": partial(roll_key, overlap=Overlap.DAY),
    }.get(make)
    if change:
        change(key=api_key, by=owner)
    answer = client.get(action("key", api_key))
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", answer.content.decode())]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
