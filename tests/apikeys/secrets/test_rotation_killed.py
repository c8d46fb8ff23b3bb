"""`manage.py rotate_encryption` is killed several times with SIGKILL while keys are used, all in real processes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

import pytest
from django.db import connections

from apikeys.models import ApiKey
from apikeys.secrets import secret_format, vault
from apikeys.usage import counting
from apikeys.verify.verification import verify
from config.environment.local_secrets import new_ring
from tests.support.environment import REPOSITORY
from tests.support.factories import ApiKeyFactory
from tests.support.programs.servers import database_url

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = 1000
BATCH = 20
# How many keys each run has changed when it is killed. Its last transaction, of up to a batch, is not committed.
KILLED_AFTER = (5, 30, 210, 400)
TABLE = ApiKey._meta.db_table
NEW_RING_KEY, NEW_PEPPER = (new_ring().replace("k1:", f"{name}:") for name in ("k2", "p2"))


@pytest.fixture
def secrets(transactional_db, project, owner) -> dict[str, str]:
    """Each key's secret by its id."""
    made = [secret_format.generate("lk_") for _ in range(KEYS)]
    keys = [ApiKeyFactory.build(project=project, responsible=owner, secret=secret) for secret in made]
    ApiKey.objects.bulk_create(keys)
    return {key.public_id: secret for key, secret in zip(keys, made, strict=True)}


@pytest.fixture
def rotation_environment(secrets, settings) -> dict[str, str]:
    """The command's environment, with the new entries first. The test itself is a server that has them last."""
    ring, peppers = settings.KEY_RING, settings.KEY_PEPPERS
    settings.KEY_RING, settings.KEY_PEPPERS = f"{ring},{NEW_RING_KEY}", f"{peppers},{NEW_PEPPER}"
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "KEY_RING": f"{NEW_RING_KEY},{ring}",
        "KEY_PEPPERS": f"{NEW_PEPPER},{peppers}",
    }


def rotation(environment: dict[str, str], *program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *program, "rotate_encryption", "--batch", str(BATCH)]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def moved() -> int:
    return ApiKey.objects.filter(ring_key_id="k2", pepper_id="p2").count()


def unreadable(secrets: dict[str, str]) -> list[str]:
    """The ids of keys that cannot be shown, or whose secrets no longer find them."""
    return [key.public_id for key in ApiKey.objects.select_related("project") if not reads(key, secrets[key.public_id])]


def reads(key: ApiKey, secret: str) -> bool:
    try:
        shown = vault.decrypt(
            bytes(key.ciphertext or b""),
            ring_key_id=key.ring_key_id,
            key_id=key.public_id,
            project_id=key.project.public_id,
        )
    except (vault.VaultUnavailable, vault.CiphertextRefused):
        return False
    return shown == secret and vault.is_digest(bytes(key.digest), secret, pepper_id=key.pepper_id)


@contextmanager
def checked_all_along(secrets: dict[str, str]) -> Iterator[list[tuple[str, str | None]]]:
    """Checks one key after the other over one connection. Collects ids with codes; the code of a valid key is None."""
    ended, checks = threading.Event(), list[tuple[str, str | None]]()

    def check() -> None:
        try:
            for key_id, secret in cycle(secrets.items()):
                checks.append((key_id, verify(f"Bearer {secret}", "192.0.2.1").code))
                if len(checks) % 200 == 0:
                    counting.flush()  # writes to the rows that the rotation moves
                if ended.wait(0.001):
                    break
        finally:
            connections.close_all()

    thread = threading.Thread(target=check)
    thread.start()
    try:
        yield checks
    finally:
        ended.set()
        thread.join(timeout=60)


def test_a_rotation_that_is_killed_again_and_again_loses_no_key(secrets, rotation_environment):
    """T7"""
    with checked_all_along(secrets) as checks:
        for changed in KILLED_AFTER:
            before = moved()
            run = rotation(rotation_environment, "-m", "tests.support.programs.killed", TABLE, str(changed))
            assert run.returncode == -signal.SIGKILL, run
            assert moved() == before + (changed - 1) // BATCH * BATCH, "the last transaction was not committed"
            assert unreadable(secrets) == []
        run = rotation(rotation_environment, "manage.py")
    assert (run.returncode, run.stderr) == (0, "")
    assert moved() == KEYS
    assert unreadable(secrets) == []
    assert "k1  not needed by any key" in run.stdout
    assert len(checks) > len(KILLED_AFTER)
    assert {code for _, code in checks} == {None}, "a key was rejected during the rotation"
    print(f"{KEYS} keys, killed {len(KILLED_AFTER)} times: 0 unreadable, {len(checks)} checks, 0 refused")
