"""T4: no secret at rest. Keys are made in every way there is and used; then everything stored is searched."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from apikeys import services
from apikeys.models import ApiKey
from tests.environment import DATA_DIR, ON_SQLITE, postgres
from tests.factories import FileFactory

pytestmark = pytest.mark.django_db(transaction=True)

# Where the secrets that are no API keys live, by design.
SECRET_STORE = DATA_DIR / "secrets"


def dump() -> Iterator[tuple[str, bytes]]:
    """Every table's rows as text, from all schemas that are the product's; sessions decoded besides."""
    if ON_SQLITE:
        connection.ensure_connection()
        yield "database", "\n".join(connection.connection.iterdump()).encode()
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            tables = [name for (name,) in cursor.fetchall()]
            for table in tables:
                with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                    yield f"table {table}", b"".join(bytes(block) for block in copy)
    for session in Session.objects.all():
        yield "decoded session", json.dumps(session.get_decoded()).encode()


def files() -> Iterator[tuple[str, bytes]]:
    """Every file in DATA_DIR, logs and SQLite's journal among them, and PostgreSQL's own, its write-ahead log too."""
    folders = [DATA_DIR]
    if not ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        assert postgres.folder is not None
        folders.append(postgres.folder / "data")
    for folder in folders:
        for path in folder.rglob("*"):
            if (
                path.is_file()
                and not path.is_relative_to(SECRET_STORE)
                and not path.is_relative_to(DATA_DIR / "static")
            ):
                yield str(path), read(path)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # PostgreSQL recycles its files while we look
        return b""


def needles(secret: str) -> list[bytes]:
    """The secret's random body as it is, in hex and in base64 at each of the three alignments."""
    body = secret.partition("_")[2].encode()
    encoded = [b64encode(b"x" * shift + body)[4 if shift else 0 : -4] for shift in range(3)]
    return [body, body.hex().encode(), body.hex().upper().encode(), *encoded]


def found(secrets: list[str]) -> list[str]:
    searched = [needle for secret in secrets for needle in needles(secret)]
    return [place for source in (dump, files) for place, content in source() if any(n in content for n in searched)]


@pytest.fixture
def secrets(server, signed_in, project, owner) -> list[str]:
    """Keys made by service, command and page, then copied, revealed, shown once, used over HTTP, paused and deleted."""
    by_service = services.create_key(project=project, name="By service", by=owner).secret
    output = StringIO()
    call_command("createkey", project.public_id, "--name", "By command", "--json", stdout=output)
    client = signed_in(owner)
    form = {"name": "By page", "form_token": "t" * 22}
    assert client.post(reverse("apikeys:create", args=[project.public_id]), form).status_code == 302
    by_page = ApiKey.objects.get(name="By page")
    known = [by_service, json.loads(output.getvalue())["secret"]]
    for action in ("copy", "reveal"):
        url = reverse(f"apikeys:{action}", args=[project.public_id, by_page.public_id])
        known.append(client.post(url, headers={"Accept": "application/json"}).json()["secret"])
    services.show_secrets_once(project=project, by=owner)
    for name, headers in (("Shown once", {}), ("Shown once to a script", {"HX-Request": "true"})):
        answer = client.post(reverse("apikeys:create", args=[project.public_id]), {"name": name}, headers=headers)
        known.append(re.findall("lk_[0-9A-Za-z]{36}", answer.content.decode())[0])
    for secret in known:
        for value in (f"Bearer {secret}", f"Basic {secret}", f"{secret}, {secret}"):
            server.request("GET", "/api/v1/me", headers={"Authorization": value})
        server.request("GET", "/no-such-page", headers={"X-Api-Key": secret})
    for secret, change in zip(known, (services.pause_key, services.delete_key), strict=False):
        key = ApiKey.objects.get(mask__endswith=secret[-4:], mask__startswith=secret[:7])
        change(key=key, by=owner)
        server.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    return known


def test_no_secret_is_at_rest(secrets):
    """T4"""
    assert len(set(secrets)) == 5
    assert found(secrets) == []


PLANTED = {
    "as it is": lambda key: FileFactory(name=key.secret),
    "in hex": lambda key: FileFactory(name=key.secret.encode().hex()),
    "in base64": lambda key: FileFactory(name=b64encode(key.secret.encode()).decode()),
    "in bytes": lambda key: ApiKey.objects.filter(pk=key.pk).update(ciphertext=key.secret.encode()),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_the_search_finds_what_is_there(transactional_db, api_key, plant):
    """T4: its search is no empty one, neither of the rows nor of the files that hold them."""
    plant(api_key)
    places = found([api_key.secret])
    assert any(place.startswith(("database", "table")) for place in places)
    assert any(place.startswith(str(DATA_DIR if ON_SQLITE else postgres.folder)) for place in places)
