"""`manage.py rotate_encryption`: the rows that it moves, the rows that it leaves alone, its report, and concurrent
changes.
"""

import json
import os
import pty
import subprocess
import sys
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from apikeys.secrets import integrity, rotation
from apikeys.standing import KeyState
from apikeys.verify.verification import verify
from config.environment.local_secrets import new_ring
from projects.audit_log.models import AuditEvent
from tests.support.environment import ON_SQLITE, REPOSITORY
from tests.support.factories import ApiKeyFactory
from tests.support.programs.parallel import in_parallel
from tests.support.programs.servers import database_url
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

ROUNDS = 30 if ON_SQLITE else 100
NEW_RING_KEY, NEW_PEPPER = (new_ring().replace("k1:", f"{name}:") for name in ("k2", "p2"))


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + bytes(data[1:])


def put_new_first(settings) -> None:
    settings.KEY_RING = f"{NEW_RING_KEY},{settings.KEY_RING}"
    settings.KEY_PEPPERS = f"{NEW_PEPPER},{settings.KEY_PEPPERS}"


def show_once(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(ciphertext=None, ring_key_id="")


def run(*arguments: str) -> tuple[dict[str, Any], str, str]:
    """The JSON output, the text of a second run without --json, and the error with which the second run ends."""
    out, text, failure = StringIO(), StringIO(), ""
    try:
        call_command("rotate_encryption", *arguments, "--json", stdout=out)
    except CommandError:
        assert out.getvalue()
    try:
        call_command("rotate_encryption", *arguments, stdout=text)
    except CommandError as error:
        failure = str(error)
    return json.loads(out.getvalue()), text.getvalue(), failure


def is_let_in(key: ApiKey) -> bool:
    return verify(f"Bearer {key.secret}").identity is not None  # type: ignore[attr-defined]


@pytest.fixture
def keys(project) -> list[ApiKey]:
    """Four keys under the old entries, each with its `secret`: active, paused, show-once, deleted."""
    keys = []
    for name in ("active", "paused", "show once", "deleted"):
        new = services.create_key(project=project, name=name, by=project.created_by)
        new.key.secret = new.secret  # type: ignore[attr-defined]
        keys.append(new.key)
    pausing.pause_key(key=keys[1], by=None)
    show_once(keys[2])
    services.delete_key(key=keys[3], by=None)
    return keys


def test_every_key_that_can_be_decrypted_moves_to_the_first_entries(keys, settings, owner):
    put_new_first(settings)
    data, _, failure = run()
    assert (data["moved"], data["movable"], failure) == (2, 0, "")
    found = dict.fromkeys(ApiKey.objects.values_list("name", "ring_key_id", "pepper_id"))
    assert sorted(found) == [
        ("active", "k2", "p2"),
        ("deleted", "", "k1"),
        ("paused", "k2", "p2"),
        ("show once", "", "k1"),
    ]
    # With only the new entries, the moved rows work as before.
    settings.KEY_RING, settings.KEY_PEPPERS = NEW_RING_KEY, NEW_PEPPER
    assert is_let_in(keys[0])
    assert services.reveal_secret(key=keys[0], by=owner) == keys[0].secret
    assert verify(f"Bearer {keys[1].secret}").code == "key_paused"


def test_the_report_says_which_entries_may_go_and_why_not(keys, settings):
    put_new_first(settings)
    data, text, _ = run()
    nothing = {"configured": True, "second_factors": 0, "emails": 0}
    assert data["ring_keys"] == [
        {**nothing, "id": "k2", "first": True, "keys": 2, "emails": 5, "removable": False},
        {**nothing, "id": "k1", "first": False, "keys": 0, "removable": True},
    ]
    assert [(need["id"], need["keys"], need["show_once"], need["deleted"]) for need in data["peppers"]] == [
        ("p2", 2, 0, 0),
        ("k1", 0, 1, 1),
    ]
    assert not any(need["removable"] for need in data["peppers"])
    assert "k1  not needed by any key\n" in text
    assert "k1  still needed: 1 key without a stored secret, 1 deleted key" in text


def test_a_new_entry_that_is_still_the_last_is_not_said_to_be_one_to_remove(keys, settings):
    settings.KEY_RING = f"{settings.KEY_RING},{NEW_RING_KEY}"
    _, text, _ = run("--dry-run")
    assert "k2  not needed by any key\n" in text
    assert "removed" not in text


def test_a_pepper_that_deleted_keys_alone_name_may_go_at_a_price(keys, settings):
    services.delete_key(key=keys[2], by=None)
    put_new_first(settings)
    _, text, failure = run()
    assert "k1  not needed where deleted keys may answer key_unknown instead of key_deleted: 2 deleted keys" in text
    settings.KEY_PEPPERS = NEW_PEPPER
    _, text, failure = run()
    assert failure == ""
    assert "k1  MISSING: 2 deleted keys" in text
    assert verify(f"Bearer {keys[3].secret}").code == "key_unknown"


def test_it_leaves_no_event_and_running_it_again_changes_nothing(keys, settings):
    put_new_first(settings)
    events = AuditEvent.objects.count()
    run()
    before = everything()
    assert run()[0]["moved"] == 0
    assert everything() == before
    assert AuditEvent.objects.count() == events


def test_a_dry_run_changes_nothing(keys, settings):
    put_new_first(settings)
    before = everything()
    data, text, failure = run("--dry-run")
    assert (data["moved"], data["movable"], failure) == (0, 2, "")
    assert text.startswith("2 keys can be moved to ring key k2 and pepper p2.\n")
    assert everything() == before


SPOILT = {
    "not_decrypted": lambda key: {"ciphertext": flipped(key.ciphertext)},
    "digest_differs": lambda key: {"digest": flipped(key.digest)},
}


@pytest.mark.parametrize("problem", SPOILT)
def test_a_key_with_something_wrong_is_named_and_left_alone_and_the_others_move(keys, settings, problem):
    ApiKey.objects.filter(pk=keys[0].pk).update(**SPOILT[problem](keys[0]))
    before = ApiKey.objects.filter(pk=keys[0].pk).values().get()
    put_new_first(settings)
    data, _, failure = run("--batch", "1")
    assert (data["moved"], data[problem]) == (1, [keys[0].public_id])
    assert f"Left alone: 1 key ({keys[0].public_id}). " in failure
    assert "meanwhile" not in failure
    assert ApiKey.objects.filter(pk=keys[0].pk).values().get() == before


def test_a_ring_key_that_is_missing_is_an_error_that_names_it(keys, settings):
    settings.KEY_RING = NEW_RING_KEY
    data, text, failure = run()
    assert data["moved"] == 0
    assert "k1  MISSING: 2 keys" in text
    assert "Ring key k1 is not in KEY_RING, but 2 keys need it to be shown or moved: put it back" in failure


def test_a_pepper_that_is_missing_keeps_its_digests_and_is_an_error(keys, settings):
    digests = set(ApiKey.objects.values_list("digest", flat=True))
    settings.KEY_PEPPERS = NEW_PEPPER
    settings.KEY_RING = f"{NEW_RING_KEY},{settings.KEY_RING}"
    data, _, failure = run()
    assert data["moved"] == 2  # to the new ring key
    assert set(ApiKey.objects.values_list("digest", flat=True)) == digests
    assert "Pepper k1 is not in KEY_PEPPERS, so requests using 3 keys are rejected as unknown: put it back" in failure


def test_a_lost_peppers_keys_come_back_from_their_ciphertexts(keys, settings):
    settings.KEY_PEPPERS = NEW_PEPPER
    assert not is_let_in(keys[0])
    assert "--lost-pepper k1 brings 2 of them back" in run()[2]
    data, _, failure = run("--lost-pepper", "k1")
    assert data["moved"] == 2
    assert is_let_in(keys[0])
    assert "requests using 1 key are rejected" in failure  # the show-once one
    assert not is_let_in(keys[2])


def test_keys_made_meanwhile_under_the_old_order_are_an_error_that_names_the_next_step(keys, settings):
    old = settings.KEY_RING
    put_new_first(settings)

    class Terminal(StringIO):
        """While the last line is printed, an old server creates a key."""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            if text == "\n":
                new, settings.KEY_RING = settings.KEY_RING, old
                ApiKeyFactory(project=keys[0].project)
                settings.KEY_RING = new
            return super().write(text)

    terminal = Terminal()
    with pytest.raises(CommandError, match="1 key came under an older entry meanwhile: restart the servers"):
        call_command("rotate_encryption", stdout=StringIO(), stderr=terminal)
    assert "4 keys looked at, 2 moved" in terminal.getvalue()


@pytest.mark.parametrize("batch", ["0", "-1", "ten", "", "10001", "٣"])
def test_a_batch_that_is_no_number_is_an_error(batch, db):
    with pytest.raises(CommandError, match="from 1 to 10000"):
        call_command("rotate_encryption", f"--batch={batch}")


@pytest.mark.parametrize("name", ["KEY_RING", "KEY_PEPPERS"])
def test_without_ring_or_peppers_nothing_is_moved(name, settings, db):
    setattr(settings, name, "")
    with pytest.raises(CommandError, match=f"{name} is empty"):
        call_command("rotate_encryption")


@pytest.mark.django_db(transaction=True)
def test_progress_is_for_terminals_alone(transactional_db, keys):
    command = [sys.executable, "manage.py", "rotate_encryption", "--json"]
    environment = {**os.environ, "DATABASE_URL": database_url()}
    quiet = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    mine, its = pty.openpty()
    shown = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=its, check=True)
    assert "4 keys looked at, 0 moved" in os.read(mine, 1000).decode()
    assert json.loads(shown.stdout) == json.loads(quiet.stdout)
    os.close(mine)
    os.close(its)


# Concurrent changes


def test_a_concurrent_change_wins_over_the_rotation(keys, settings, project, owner):
    """T7, T12: a deletion, a pause, and another rotation to another key."""
    keys[2] = services.create_key(project=project, name="pause me", by=owner).key
    keys[3] = services.create_key(project=project, name="move me", by=owner).key
    put_new_first(settings)
    target = rotation.find_target()
    changes = [(key, rotation._moved(key, target)) for key in next(integrity.slices()) if target.concerns(key)]
    services.delete_key(key=keys[0], by=owner)
    pausing.pause_key(key=keys[2], by=owner)
    ApiKey.objects.filter(pk=keys[3].pk).update(ciphertext=flipped(keys[3].ciphertext))
    assert rotation._write(changes) == 2
    found = {name: rest for name, *rest in ApiKey.objects.values_list("name", "state", "ring_key_id")}
    assert found["active"] == ["deleted", ""]
    assert found["pause me"] == ["paused", "k2"]
    assert found["move me"] == ["active", "k1"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [services.delete_key, pausing.pause_key], ids=["delete", "pause"])
def test_no_race_with_a_rotation_undoes_a_change(transactional_db, project, owner, settings, change):
    """T7, T12"""
    state = KeyState.DELETED if change is services.delete_key else KeyState.PAUSED
    old = settings.KEY_RING, settings.KEY_PEPPERS
    for _ in range(ROUNDS):
        settings.KEY_RING, settings.KEY_PEPPERS = old
        keys = ApiKeyFactory.create_batch(3, project=project)
        put_new_first(settings)
        target = rotation.find_target()
        in_parallel([partial(rotation.rotate, target), *(partial(change, key=key, by=owner) for key in keys)])
    rows = ApiKey.objects.exclude(state=state) | ApiKey.objects.filter(state=KeyState.DELETED, ciphertext__isnull=False)
    assert not rows.exists()
    assert integrity.check_keys().wrong == {name: [] for name in integrity.WRONG}
    assert rotation.take_census(target).movable == 0
