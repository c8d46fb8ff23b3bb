import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from tests.config.backups.running import KEYS, PAUSED, SECRETS
from tests.support.environment import DATA_DIR, ON_SQLITE
from tests.support.factories import ApiKeyFactory
from tests.support.programs.servers import database_url


@pytest.fixture
def secrets(transactional_db, project, owner) -> dict[str, str]:
    """The secrets of the keys by name: active keys, paused keys and one show-once key. "gone" is deleted."""
    keys = ApiKeyFactory.create_batch(KEYS, project=project)
    keys += [ApiKeyFactory(project=project, name=name) for name in ("shown once", "gone")]
    found = {key.name: services.copy_secret(key=key, by=owner) for key in keys}
    for key in keys[:PAUSED]:
        pausing.pause_key(key=key, by=owner)
    ApiKey.objects.filter(name="shown once").update(ciphertext=None, ring_key_id="")
    services.delete_key(key=keys[-1], by=owner)
    return found


@pytest.fixture
def kept_apart(tmp_path: Path) -> dict[str, str]:
    """The secrets that an operator keeps apart, as environment variables."""
    folder = tmp_path / "kept apart"
    shutil.copytree(DATA_DIR / "secrets", folder)
    return {f"{name.upper()}_FILE": str(folder / name) for name in SECRETS}


@pytest.fixture
def elsewhere(transactional_db, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An empty database and an empty DATA_DIR."""
    place = {"DATA_DIR": str(tmp_path / "elsewhere")}
    if ON_SQLITE:
        yield {**place, "DATABASE_URL": f"sqlite:///{tmp_path}/elsewhere.sqlite3"}
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE elsewhere")
    yield {**place, "DATABASE_URL": database_url().rpartition("/")[0] + "/elsewhere"}
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE elsewhere WITH (FORCE)")
