"""T8: a real server that has lost its key ring."""

import json
import shutil
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from config.environment.local_secrets import new_ring
from projects.audit_log.models import AuditEvent
from tests.support.environment import DATA_DIR
from tests.support.factories import ApiKeyFactory
from tests.support.programs.servers import Server, session_headers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.nodb]

KEYS = 100


def without_its_file(tmp_path: Path) -> dict[str, str]:
    """As after the loss of a disk: the server makes a new ring."""
    shutil.copytree(DATA_DIR / "secrets", tmp_path / "secrets", ignore=shutil.ignore_patterns("key_ring"))
    (tmp_path / "static").symlink_to(DATA_DIR / "static")
    return {"DATA_DIR": str(tmp_path)}


LOST: dict[str, Callable[[Path], dict[str, str]]] = {
    "another key": lambda tmp_path: {"KEY_RING": new_ring().replace("k1:", "k9:")},
    "another key of the same id": lambda tmp_path: {"KEY_RING": new_ring()},
    "no file": without_its_file,
}


@pytest.fixture
def secrets(transactional_db, project) -> dict[str, str]:
    """Each key's secret by its id."""
    keys = ApiKeyFactory.create_batch(KEYS, project=project)
    return {key.public_id: services.copy_secret(key=key, by=project.created_by) for key in keys}


def verified(server: Server, secret: str) -> int:
    return server.request("GET", "/api/v1/verify", headers={"Authorization": f"Bearer {secret}"}).status


def shown(server: Server, client: Client, name: str, key_id: str, project) -> tuple[int, bytes]:
    path = reverse(f"apikeys:{name}", args=[project.public_id, key_id])
    answer = server.request("POST", path, headers=session_headers(client))
    return answer.status, answer.body


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST.keys())
def test_without_the_ring_every_key_verifies_and_none_is_shown(
    lose, start_server, tmp_path, secrets, project, signed_in, owner
):
    """T8"""
    server, client = start_server(**lose(tmp_path)), signed_in(owner)
    events = AuditEvent.objects.count()
    assert [verified(server, secret) for secret in secrets.values()] == [204] * KEYS
    for (key_id, secret), name in zip(secrets.items(), cycle(["copy", "reveal"]), strict=False):
        status, body = shown(server, client, name, key_id, project)
        assert (status, secret.encode() in body) == (503, False)
        assert "Requests using it still work" in json.loads(body)["message"]
    assert AuditEvent.objects.count() == events
    # Other actions still work: a pause takes effect at once.
    key = ApiKey.objects.get(public_id=next(iter(secrets)))
    pausing.pause_key(key=key, by=owner)
    assert [verified(server, secret) for secret in secrets.values()] == [401] + [204] * (KEYS - 1)


def test_with_the_ring_the_same_requests_show_every_key(server, secrets, project, signed_in, owner):
    """T8: the counter-check. The 503 above is caused by the missing ring."""
    client = signed_in(owner)
    for key_id, secret in secrets.items():
        assert verified(server, secret) == 204
        status, body = shown(server, client, "reveal", key_id, project)
        assert (status, secret.encode() in body) == (200, True)
