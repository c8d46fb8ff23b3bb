"""createkey and editkey with ends, and what listkeys says of them."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apikeys.keys.services import create_key, delete_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify

pytestmark = pytest.mark.django_db

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def end_of(key: ApiKey) -> datetime | None:
    key.refresh_from_db()
    return key.expires_at


def test_createkey_takes_days_a_time_with_an_offset_or_never(project):
    """P14 createkey --expires 30d, ISO 8601 or never."""

    def create(name: str, when: str) -> Any:
        return run_json("createkey", project.public_id, "--name", name, "--expires", when)

    assert create("Never", "never")["expires_at"] is None
    assert create("Seconds", "2035-02-26T10:30:05+01:00")["expires_at"] == "2035-02-26T09:30:05+00:00"
    days = create("Days", "30d")
    assert abs(datetime.fromisoformat(days["expires_at"]) - timezone.now() - 30 * DAY) <= MINUTE
    assert days["standing"] == "active"
    assert "(in 30 days)." in run("createkey", project.public_id, "--name", "In words", "--expires", "30d")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2035-02-26T09:30:00", "has no time zone. Add Z for UTC"),
        ("2035-02-26", "has no time zone"),
        ("soon", "is no time. Write 30d"),
        ("", "is no time"),
        ("0d", "in the past"),
        ("-1d", "is no time"),
        ("\u0663\u0660d", "is no time"),
        ("0001-01-01T00:00:00+14:00", "in the past"),
        ("2020-02-26T09:30:00Z", "in the past"),
        ("3651d", "at most 3,650 days"),
        ("999999d", "at most 3,650 days"),
        ("9999-12-31T23:59:59-12:00", "at most 3,650 days"),
        ("0001-01-01T00:00:00+12:00", "in the past"),
    ],
)
def test_an_end_that_cannot_be_is_rejected_and_nothing_is_changed(project, api_key, when, said):
    for command in (["createkey", project.public_id, "--name", "CI"], ["editkey", api_key.public_id]):
        with pytest.raises(CommandError, match=said):
            run(*command, f"--expires={when}")
    assert end_of(api_key) is None
    assert project.api_keys.count() == 1


@pytest.mark.parametrize("command", ["createkey", "editkey"])
def test_an_end_of_days_ago_is_answered_with_the_way_to_write_one(project, api_key, command):
    """As people type it: without an equals sign."""
    arguments = [project.public_id, "--name", "CI"] if command == "createkey" else [api_key.public_id]
    with pytest.raises(CommandError, match=r"'-5d' is no time\. Write 30d"):
        run(command, *arguments, "--expires", "-5d")


def test_listkeys_and_editkey_say_that_a_key_ends_when_it_is_quiet(project, api_key, owner):
    new = roll_key(key=api_key, overlap=Overlap.QUIET, by=owner).key
    for key in (roll_key(key=new, overlap=Overlap.NONE, by=owner).key, new):
        delete_key(key=key, by=owner)
    for said in (run("listkeys", project.public_id), run("editkey", api_key.public_id, "--name", "Old")):
        assert ", or as soon as it is quiet" in said


def test_editkey_changes_name_and_end_together_or_neither(project, api_key, owner):
    """P14 editkey KEY_ID --name N --expires WHEN"""
    create_key(project=project, name="Taken", by=owner)
    with pytest.raises(CommandError, match="already has a key of that name"):
        run("editkey", api_key.public_id, "--name", "Taken", "--expires", "30d")
    with pytest.raises(CommandError, match="at most 3,650 days"):
        run("editkey", api_key.public_id, "--name", "Web", "--expires", "3651d")
    assert end_of(api_key) is None
    assert api_key.name == "Production server"
    answer = run_json("editkey", api_key.public_id, "--name", "Web", "--expires", "2035-02-26T09:30:00Z")
    assert (answer["name"], answer["expires_at"], answer["changed"]) == ("Web", "2035-02-26T09:30:00+00:00", True)
    assert run_json("editkey", api_key.public_id, "--name", "Web")["changed"] is False
    assert run_json("editkey", api_key.public_id, "--expires", "never")["expires_at"] is None
    assert "never expires" in run("editkey", api_key.public_id, "--name", "Web server")


def test_editkey_ends_a_key_now_and_another_end_lets_it_work_again(api_key):
    header = f"Bearer {api_key.secret}"
    said = run("editkey", api_key.public_id, "--expires", "now")
    assert "Requests using it are now rejected." in said
    assert verify(header).code == "key_expired"
    assert run_json("editkey", api_key.public_id, "--expires", "now")["changed"] is False
    run("editkey", api_key.public_id, "--expires", "30d")
    assert verify(header).code is None


def test_editkey_says_what_is_missing_or_gone(api_key):
    with pytest.raises(CommandError, match="Nothing to change"):
        run("editkey", api_key.public_id)
    with pytest.raises(CommandError, match="No key 'key_0"):
        run("editkey", "key_0000000000000000", "--name", "x")
    delete_key(key=api_key, by=None)
    for arguments in (["--name", "x"], ["--expires", "30d"], ["--expires", "now"]):
        with pytest.raises(CommandError, match="deleted for good"):
            run("editkey", api_key.public_id, *arguments)


def test_max_key_days_holds_for_commands(project, api_key, settings):
    settings.MAX_KEY_DAYS = 90
    create, edit = ["createkey", project.public_id, "--name", "CI"], ["editkey", api_key.public_id]
    for command in (create, edit):
        with pytest.raises(CommandError, match="work for at most 90 days"):
            run(*command, "--expires", "91d")
    run(*edit, "--expires", "90d")
    for command in (create, edit):
        with pytest.raises(CommandError, match="Choose when the key expires: in at most 90 days"):
            run(*command, "--expires", "never")


def test_listkeys_says_standing_and_end(project, owner):
    end = timezone.now().replace(microsecond=0) + 3 * DAY
    key = create_key(project=project, name="CI", by=owner, expires_at=end).key
    assert f", expires on {end.astimezone(UTC):%-d %B %Y, %H:%M} UTC)" in run("listkeys", project.public_id)
    (facts,) = run_json("listkeys", project.public_id)["keys"]
    assert (facts["standing"], facts["expires_at"]) == ("active", end.isoformat())
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - DAY)
    assert "Expired" in run("listkeys", project.public_id)
    assert run_json("listkeys", project.public_id)["keys"][0]["standing"] == "expired"
