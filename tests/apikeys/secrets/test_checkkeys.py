"""`manage.py checkkeys`: do database, ring and peppers belong together?"""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from apikeys.secrets import integrity
from config.environment.local_secrets import new_ring
from tests.support.factories import ApiKeyFactory
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db


def run() -> tuple[dict[str, Any], str]:
    """The JSON output, and the error with which the command ends."""
    out = StringIO()
    try:
        call_command("checkkeys", "--json", stdout=out)
    except CommandError as error:
        return json.loads(out.getvalue()), str(error)
    return json.loads(out.getvalue()), ""


def wrong(data: dict[str, Any]) -> dict[str, list[str]]:
    return {name: data[name] for name in integrity.WRONG if data[name]}


@pytest.fixture
def keys(project, owner) -> list[ApiKey]:
    """Four keys: proven, paused but proven, show-once, deleted."""
    keys: list[ApiKey] = ApiKeyFactory.create_batch(4, project=project)
    pausing.pause_key(key=keys[1], by=owner)
    ApiKey.objects.filter(pk=keys[2].pk).update(ciphertext=None, ring_key_id="")
    services.delete_key(key=keys[3], by=owner)
    return keys


def test_it_proves_every_living_key_and_changes_nothing(keys, monkeypatch):
    monkeypatch.setattr(integrity.slices, "__defaults__", (2,))
    before = everything()
    data, failure = run()
    assert failure == ""
    assert {name: data[name] for name in integrity.RIGHT} == {"proven": 2, "show_once": 1, "deleted": 1}
    out = StringIO()
    call_command("checkkeys", stdout=out)
    assert out.getvalue().startswith(
        "2 keys proven: each decrypts to the secret of its digest. 1 key without a stored secret"
    )
    assert everything() == before


def test_an_empty_database_proves_nothing_and_is_no_error(db):
    factors = {"second_factors": 0, "second_factors_not_readable": []}
    emails = {"emails": 0, "emails_not_readable": []}
    assert run() == (
        {"proven": 0, "show_once": 0, "deleted": 0, **{name: [] for name in integrity.WRONG}, **factors, **emails},
        "",
    )
    out = StringIO()
    call_command("checkkeys", stdout=out)
    assert out.getvalue() == "There are no keys, and so nothing is proven.\n"


OTHER = new_ring()
# Each configuration lacks something or has other bytes under the same id. The list has the places in `keys` of the keys
# that are then wrong.
CONFIGURATIONS: dict[str, tuple[str, str, str, list[int]]] = {
    "another ring": ("KEY_RING", OTHER.replace("k1:", "k9:"), "ring_key_missing", [0, 1]),
    "no ring": ("KEY_RING", "", "ring_key_missing", [0, 1]),
    "another ring of the same id": ("KEY_RING", OTHER, "not_decrypted", [0, 1]),
    "other peppers": ("KEY_PEPPERS", OTHER.replace("k1:", "k9:"), "pepper_missing", [0, 1, 2]),
    "another pepper of the same id": ("KEY_PEPPERS", OTHER, "digest_differs", [0, 1]),
}


@pytest.mark.parametrize(("name", "value", "problem", "which"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_secrets_that_are_not_the_databases_are_found_out(keys, settings, name, value, problem, which):
    """T9: one part of the promise."""
    setattr(settings, name, value)
    data, failure = run()
    assert wrong(data) == {problem: [keys[number].public_id for number in which]}
    assert f"{len(which)} keys (" in failure
    assert name in failure


def test_a_row_that_was_changed_is_found_out(keys):
    one, other = keys[:2]
    ApiKey.objects.filter(pk=one.pk).update(ciphertext=other.ciphertext)
    ApiKey.objects.filter(pk=other.pk).update(digest=b"\0" * 32)
    data, failure = run()
    assert wrong(data) == {"not_decrypted": [one.public_id], "digest_differs": [other.public_id]}
    assert failure.count("Not as it should be: 1 key (") == 2


def test_at_most_20_ids_are_named_in_words_and_all_in_json(project, settings):
    ApiKeyFactory.create_batch(23, project=project)
    settings.KEY_RING = OTHER
    data, failure = run()
    assert len(data["not_decrypted"]) == 23
    assert failure.count("key_") == 20
    assert "and 3 more, which --json names" in failure
