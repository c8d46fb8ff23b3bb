"""Secrets of second factors in the database are sealed, rotated with the ring and proven. Without the ring nobody skips
them.
"""

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.second_factors import secrets_at_rest
from apikeys.secrets import vault
from common.encryption import CiphertextRefused
from config.environment.local_secrets import new_ring
from tests.support.environment import REPOSITORY
from tests.support.factories import UserFactory
from tests.support.people.accounts import PASSWORD as ADAS_PASSWORD
from tests.support.people.accounts import is_signed_in, log_in, new_person, page_of, totp_code
from tests.support.people.visitor import Visitor
from tests.support.programs.servers import database_url

pytestmark = pytest.mark.django_db

NEW_RING_KEY = new_ring().replace("k1:", "k2:")
SEED = generate_totp_secret()
AUTHENTICATE = reverse("mfa_authenticate")


def run(command: str, *arguments: str) -> tuple[dict[str, Any], str, str]:
    """The JSON output of the command, the text of a second run, and the error with which the second run ends."""
    out, text, failure = StringIO(), StringIO(), ""
    try:
        call_command(command, *arguments, "--json", stdout=out)
    except CommandError:
        assert out.getvalue()
    try:
        call_command(command, *arguments, stdout=text)
    except CommandError as error:
        failure = str(error)
    return json.loads(out.getvalue()), text.getvalue(), failure


def needed() -> set[str | None]:
    found = Authenticator.objects.values_list("data", flat=True)
    return {secrets_at_rest.ring_key_of(data.get("secret") or data["seed"]) for data in found}


def lets_in(user: Any, code: str) -> bool:
    client = Client()
    log_in(client, user)
    client.post(AUTHENTICATE, {"code": code})
    return is_signed_in(client)


@pytest.fixture
def codes(person) -> list[str]:
    """The recovery codes of `person`, who also has an app with SEED."""
    TOTP.activate(person, SEED)
    return RecoveryCodes.activate(person).get_unused_codes()


def test_seeds_are_sealed(codes):
    """T45"""
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert SEED not in stored
    assert needed() == {"k1"}
    assert len(codes) == 10


def test_a_seed_cannot_pass_for_a_key_nor_a_key_for_a_seed():
    """T45: each ciphertext is bound to its purpose."""
    row = {"key_id": "key_0", "project_id": "prj_0"}
    stored = secrets_at_rest.seal(SEED)
    with pytest.raises(CiphertextRefused):
        vault.decrypt(secrets_at_rest.urlsafe_b64decode(stored.rpartition(":")[2]), ring_key_id="k1", **row)
    ciphertext = secrets_at_rest.urlsafe_b64encode(vault.encrypt("lk_x", **row)[1]).decode()
    with pytest.raises(secrets_at_rest.SecondFactorUnavailable):
        secrets_at_rest.unseal(f"{stored.rpartition(':')[0]}:{ciphertext}")


@pytest.mark.parametrize(
    "spoilt",
    ["JBSWY3DPEHPK3PXP", "sealed1:", "sealed1:k1", "sealed1:k1:", "sealed1:k1:%", "sealed1:k9:AAAA", "sealed1:k1:AAAA"],
)
def test_a_changed_second_factor_is_never_read(spoilt):
    with pytest.raises(secrets_at_rest.SecondFactorUnavailable):
        secrets_at_rest.unseal(spoilt)


def test_a_used_recovery_code_stays_used_through_a_rotation(person, codes, settings):
    assert lets_in(person, codes[0])
    settings.KEY_RING = f"{NEW_RING_KEY},{settings.KEY_RING}"
    call_command("rotate_encryption", stdout=StringIO())
    assert not lets_in(person, codes[0])
    assert lets_in(person, codes[1])


# Rotation


def test_second_factors_move_to_the_first_ring_key(person, codes, settings):
    """T7"""
    settings.KEY_RING = f"{NEW_RING_KEY},{settings.KEY_RING}"
    data, text, failure = run("rotate_encryption", "--dry-run")
    assert data["second_factors"] == {"moved": 0, "movable": 2, "not_readable": []}
    assert "2 second factors can be moved to ring key k2." in text
    assert "k1  still needed: 2 second factors\n" in text
    assert [need["removable"] for need in data["ring_keys"]] == [False, False]
    data, text, failure = run("rotate_encryption")
    assert (data["second_factors"]["moved"], data["second_factors"]["movable"], failure) == (2, 0, "")
    assert "k1  not needed by any key\n" in text
    assert "k2  in use: 2 second factors\n" in text
    settings.KEY_RING = NEW_RING_KEY
    assert lets_in(person, totp_code(SEED))
    assert RecoveryCodes.activate(person).get_unused_codes() == codes


def test_codes_that_came_from_elsewhere_move_too(person, settings):
    data = {"migrated_codes": [secrets_at_rest.seal(code) for code in ("11111111", "22222222")]}
    row = Authenticator.objects.create(user=person, type="recovery_codes", data=data)
    settings.KEY_RING = f"{NEW_RING_KEY},{settings.KEY_RING}"
    assert secrets_at_rest.take_census().ring_keys == {"k1": 1}
    assert secrets_at_rest.move_all() == 1
    row.refresh_from_db()
    assert {secrets_at_rest.ring_key_of(code) for code in row.data["migrated_codes"]} == {"k2"}
    assert row.wrap().get_unused_codes() == ["11111111", "22222222"]


def test_a_ring_key_that_second_factors_need_and_the_ring_lacks_is_an_error(person, codes, settings):
    settings.KEY_RING = NEW_RING_KEY
    for command in ("rotate_encryption", "checkkeys"):
        _, text, failure = run(command)
        assert f"Second factors of 1 account ({person.public_id}). They cannot be read" in failure
    data, text, failure = run("rotate_encryption", "--dry-run")
    assert "k1  MISSING: 2 second factors" in text
    assert data["second_factors"]["not_readable"] == [person.public_id]
    assert needed() == {"k1"}


def test_checkkeys_proves_second_factors(person, codes):
    """T9"""
    data, text, failure = run("checkkeys")
    assert (data["second_factors"], failure) == (2, "")
    assert text.endswith("2 second factors proven: each can be read.\n")


@pytest.mark.django_db(transaction=True)
def test_a_rotation_of_second_factors_that_is_killed_loses_none(transactional_db, settings):
    """T7"""
    seeds = {UserFactory().pk: generate_totp_secret() for _ in range(300)}
    for user_id, seed in seeds.items():
        Authenticator.objects.create(user_id=user_id, type="totp", data={"secret": secrets_at_rest.seal(seed)})
    old = settings.KEY_RING
    environment = {**os.environ, "DATABASE_URL": database_url(), "KEY_RING": f"{NEW_RING_KEY},{old}"}
    settings.KEY_RING = f"{old},{NEW_RING_KEY}"

    def rotation(*program: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *program, "rotate_encryption", "--batch", "2"]
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    run = rotation("-m", "tests.support.programs.killed", Authenticator._meta.db_table, "100")
    assert run.returncode == -signal.SIGKILL, run
    assert needed() == {"k1", "k2"}
    rows = {row.user_id: secrets_at_rest.unseal(row.data["secret"]) for row in secrets_at_rest.rows()}
    assert rows == seeds
    assert "k1  not needed by any key" in rotation("manage.py").stdout
    settings.KEY_RING = NEW_RING_KEY
    assert {row.user_id: secrets_at_rest.unseal(row.data["secret"]) for row in secrets_at_rest.rows()} == seeds


# Without the ring


@pytest.mark.django_db(transaction=True)
def test_without_the_ring_nobody_is_let_in_without_the_second_factor(start_server, transactional_db, admin):
    """T8, T45: the real server gives the reason, and the owner can sign in after an admin has removed the factor.

    A factor that cannot be read does not count as a wrong code. After five wrong codes, the person would be locked out.
    """
    person = new_person()
    TOTP.activate(person, SEED)
    codes = RecoveryCodes.activate(person).get_unused_codes()
    server = start_server(KEY_RING=NEW_RING_KEY)
    visitor = Visitor(server).sign_in(person.email, ADAS_PASSWORD)
    for code in (totp_code(SEED), codes[0], *["000000"] * 5):
        answer = visitor.post(AUTHENTICATE, code=code)
        assert (answer.status, answer.headers["Retry-After"] is None) == (503, False)
        assert "Second factors cannot be checked" in answer.body.decode()
        assert not visitor.sees("account_email")
    assert "Traceback" not in server.log_text()
    assert "status=503" in server.log_text()
    helper = Visitor(server).sign_in(admin.email, "correct horse battery staple")
    for row in Authenticator.objects.filter(user=person):
        path = reverse("admin:mfa_authenticator_delete", args=[row.pk])
        assert helper.post(path, post="yes").status == 302
    again = Visitor(server).sign_in(person.email, ADAS_PASSWORD)
    assert again.sees("account_email")


def test_without_the_ring_the_page_about_second_factors_opens(inside, person, codes, settings):
    settings.KEY_RING = NEW_RING_KEY
    page = page_of(inside.get(reverse("mfa_index")))
    assert "10 left" in page
    inside.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.filter(type="totp").exists()
