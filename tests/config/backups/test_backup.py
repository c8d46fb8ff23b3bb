"""T9: `manage.py backup` as an operator runs it: save, lose everything, restore on another server."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.audit_log.models import AuditEvent
from projects.models import File
from tests.config.backups.running import COMMAND, KEYS, PAUSED, SECRETS, backup, run
from tests.support.environment import DATA_DIR, ON_SQLITE, REPOSITORY
from tests.support.factories import PASSWORD, FileFactory
from tests.support.people.visitor import Visitor
from tests.support.programs.servers import database_url, session_headers

pytestmark = pytest.mark.django_db(transaction=True)


def checked(**environment: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(
        run(sys.executable, "manage.py", "checkkeys", "--json", **environment).stdout
    )
    return answer


@pytest.fixture(scope="module")
def first_backup(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("backup") / "first"


@pytest.fixture
def saved(request, transactional_db, first_backup, tmp_path) -> Path:
    """A backup of `secrets`. The first test saves it, and each test has a copy of its own."""
    if not first_backup.exists():
        request.getfixturevalue("secrets")
        result = backup("save", first_backup)
        assert (result.returncode, result.stderr) == (0, "")
    return Path(shutil.copytree(first_backup, tmp_path / "backup"))


def lose_everything() -> None:
    for name in File.objects.values_list("blob", flat=True):
        default_storage.delete(name)
    call_command("flush", interactive=False, verbosity=0)


def test_backup_and_secrets_restored_apart_bring_every_key_back(
    secrets, project, owner, signed_in, tmp_path, kept_apart, elsewhere, start_server
):
    """T9"""
    file, before = FileFactory(project=project, content=b"1,2,3\n"), signed_in(owner)
    keys = dict(ApiKey.objects.values_list("name", "public_id"))
    assert backup("save", tmp_path / "backup").returncode == 0
    lose_everything()
    # The secrets alone restore nothing.
    assert {verify(f"Bearer {secret}").code for secret in secrets.values()} == {"key_unknown"}

    result = backup("restore", tmp_path / "backup", **elsewhere, **kept_apart)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "100 keys proven: each decrypts to the secret of its digest. 1 key without a stored secret"
    )

    (Path(elsewhere["DATA_DIR"]) / "static").symlink_to(DATA_DIR / "static")
    server = start_server(**elsewhere, **kept_apart)
    codes = []
    for secret in secrets.values():
        answer = server.request("GET", "/api/v1/verify", headers={"Authorization": f"Bearer {secret}"})
        codes.append(answer.status if answer.status == 204 else json.loads(answer.body)["error"]["code"])
    assert codes == ["key_paused"] * PAUSED + [204] * (KEYS - PAUSED + 1) + ["key_deleted"]
    assert server.request("GET", reverse("account_email"), headers=session_headers(before)).status == 401
    visitor = Visitor(server).sign_in(owner.email, PASSWORD)
    visitor.accept = "application/json"
    for name in list(secrets)[:KEYS]:
        answer = visitor.post(reverse("apikeys:reveal", args=[project.public_id, keys[name]]))
        assert (answer.status, json.loads(answer.body)) == (200, {"secret": secrets[name]})
    header = {"Authorization": f"Bearer {secrets['shown once']}"}
    content = server.request("GET", f"/api/v1/files/{file.public_id}/content", headers=header)
    assert (content.status, content.body) == (200, b"1,2,3\n")


def test_the_backup_alone_brings_nothing_back(saved, elsewhere, kept_apart):
    """T9: first with a server that makes new secrets, then with the right secrets."""
    result = backup("restore", saved, **elsewhere)
    assert result.returncode == 1
    assert f"Not as it should be: {KEYS} keys" in result.stderr
    assert checked(**elsewhere)["proven"] == 0
    # The restored data is complete. Only the secrets were missing.
    assert checked(**elsewhere, **kept_apart)["proven"] == KEYS


@pytest.mark.parametrize("missing", ["key_ring", "key_peppers"])
def test_ring_and_peppers_are_both_needed(missing, saved, elsewhere, kept_apart):
    """T9"""
    del kept_apart[f"{missing.upper()}_FILE"]
    result = backup("restore", saved, **elsewhere, **kept_apart)
    assert result.returncode == 1
    assert missing.upper() in result.stderr
    assert checked(**elsewhere, **kept_apart)["proven"] == 0


def test_without_the_servers_environment_nothing_is_saved(tmp_path):
    """A timer without the environment would save an empty database day after day."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "nothing")}
    command = [*COMMAND, "save", str(tmp_path / "backup")]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Run this with the server's environment." in result.stderr
    assert not (tmp_path / "backup").exists()


def test_the_backup_holds_no_secret(secrets, tmp_path):
    """T4, T9"""
    saved = tmp_path / "backup"
    assert backup("save", saved).returncode == 0
    content = b"".join(path.read_bytes() for path in saved.iterdir())
    if not ON_SQLITE:
        plain = saved.parent / "plain"
        result = run("pg_restore", "--file", str(plain), str(saved / "database.dump"))
        assert result.returncode == 0, result.stderr
        content += plain.read_bytes()
    ids = ApiKey.objects.values_list("public_id", flat=True)
    assert all(key_id.encode() in content for key_id in ids), "the search finds other content"
    kept = [(DATA_DIR / "secrets" / name).read_text().strip().partition(":")[2] for name in SECRETS[1:]]
    for secret in [*secrets.values(), *kept, (DATA_DIR / "secrets" / "secret_key").read_text().strip()]:
        assert secret.encode() not in content


def rows_at(url: str, table: str) -> int:
    count = f'SELECT count(*) FROM "{table}"'  # noqa: S608  a name from the schema
    if ON_SQLITE:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            return int(database.execute(count).fetchone()[0])
    with psycopg.connect(url) as database:
        row = database.execute(count.encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_a_backup_leaves_sessions_and_the_cache_out(owner, client, tmp_path, elsewhere, kept_apart):
    """T45: their tables exist after a restore, but have no rows."""
    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    tables = [Session._meta.db_table, UserSession._meta.db_table, settings.CACHES["default"]["LOCATION"]]
    assert all(rows_at(database_url(), table) for table in tables)
    assert backup("save", tmp_path / "backup").returncode == 0
    assert backup("restore", tmp_path / "backup", **elsewhere, **kept_apart).returncode == 0
    assert [rows_at(elsewhere["DATABASE_URL"], table) for table in tables] == [0, 0, 0]
    assert rows_at(elsewhere["DATABASE_URL"], User._meta.db_table) == User.objects.count()
    saved = next((tmp_path / "backup").glob("database.*")).read_bytes()
    assert not any(row.session_data.encode() in saved for row in Session.objects.all()), "not in free pages either"


def test_nothing_is_restored_over_files_and_no_backup_over_another(saved):
    FileFactory()
    over = backup("restore", saved)
    assert (over.returncode, "is not empty. Name another DATA_DIR" in over.stderr) == (1, True)
    before = [(path, path.read_bytes()) for path in sorted(saved.iterdir())]
    assert backup("save", saved).returncode != 0
    assert [(path, path.read_bytes()) for path in sorted(saved.iterdir())] == before


def test_a_database_that_is_not_empty_stays_as_it_is(saved, elsewhere, kept_apart):
    url = elsewhere["DATABASE_URL"]
    if ON_SQLITE:
        file = Path(url.removeprefix("sqlite:///"))
        file.touch()
        over = backup("restore", saved, **elsewhere, **kept_apart)
        assert (over.returncode, "Name another DATABASE_URL" in over.stderr) == (1, True)
        assert file.read_bytes() == b""
        return
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(f"CREATE TABLE {AuditEvent._meta.db_table} (id int)")
        over = backup("restore", saved, **elsewhere, **kept_apart)
        assert (over.returncode, "must name an empty database" in over.stderr) == (1, True)
        tables = database.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        assert tables == [(AuditEvent._meta.db_table,)]


@pytest.mark.skipif(not ON_SQLITE, reason="PostgreSQL keeps its journal itself")
@pytest.mark.parametrize("left", ["-wal", "-journal"])
def test_nothing_is_restored_beside_the_journal_of_an_earlier_database(left, saved, elsewhere, kept_apart):
    """T9: SQLite would apply the journal's later changes to the restored database."""
    database = elsewhere["DATABASE_URL"].removeprefix("sqlite:///")
    Path(database + left).write_bytes(b"changes")
    over = backup("restore", saved, **elsewhere, **kept_apart)
    assert (over.returncode, over.stdout) == (1, "")
    assert over.stderr.startswith(f"CommandError: {database}{left} exists. Name another DATABASE_URL")
    assert not Path(database).exists()


@pytest.mark.parametrize("lost", ["folder", "database", "files.tar"])
def test_a_folder_without_a_backup_is_named_and_nothing_is_restored(lost, saved, elsewhere, kept_apart):
    part = ("database.sqlite3" if ON_SQLITE else "database.dump") if lost != "files.tar" else lost
    folder = saved if lost != "folder" else saved.parent / "mistyped"
    (saved / part).unlink()
    result = backup("restore", folder, **elsewhere, **kept_apart)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"CommandError: {folder} holds no backup. It lacks {part}.\n"
    if ON_SQLITE:
        assert not Path(elsewhere["DATABASE_URL"].removeprefix("sqlite:///")).exists()
        return
    with psycopg.connect(elsewhere["DATABASE_URL"]) as database:
        assert database.execute("SELECT relname FROM pg_stat_user_tables").fetchall() == []


@pytest.mark.parametrize("arguments", [[], ["save"], ["destroy", "folder"], ["save", "a", "b"]])
def test_a_wrong_call_is_told_the_right_one(arguments, db):
    result = run(*COMMAND, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: manage.py backup")


@pytest.mark.parametrize("name", ["secrets/key_ring", "files/../secrets/key_ring", "/etc/latchkey"])
def test_an_archive_writes_only_among_the_files(name, saved, elsewhere, kept_apart):
    with tarfile.open(saved / "files.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    result = backup("restore", saved, **elsewhere, **kept_apart)
    assert_nothing_restored(result, elsewhere, f"no backup of Latchkey holds {name!r}")
    assert not Path(elsewhere["DATA_DIR"], "secrets", "key_ring").exists()


def assert_nothing_restored(result, elsewhere, words):
    assert (result.returncode, words in result.stderr) == (1, True), result.stderr
    assert "Traceback" not in result.stderr
    assert not list(Path(elsewhere["DATA_DIR"]).glob("files/**/*"))
    if not ON_SQLITE:
        with psycopg.connect(elsewhere["DATABASE_URL"]) as database:
            assert database.execute("SELECT relname FROM pg_stat_user_tables").fetchall() == []


def test_an_archive_that_was_cut_restores_nothing(saved, elsewhere, kept_apart):
    with tarfile.open(saved / "files.tar", "w") as archive:
        for name in ("files/first", "files/second"):
            entry = tarfile.TarInfo(name)
            entry.size = 100_000
            archive.addfile(entry, BytesIO(b"x" * entry.size))
    os.truncate(saved / "files.tar", 150_000)
    result = backup("restore", saved, **elsewhere, **kept_apart)
    assert_nothing_restored(result, elsewhere, "files.tar is not whole")


def test_an_archive_with_a_file_twice_restores_nothing(saved, elsewhere, kept_apart):
    with tarfile.open(saved / "files.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("files/one"))
    result = backup("restore", saved, **elsewhere, **kept_apart)
    assert_nothing_restored(result, elsewhere, "holds a file twice")


@pytest.mark.skipif(ON_SQLITE, reason="SQLite needs no program")
def test_a_missing_program_of_postgresql_is_named(tmp_path, db):
    result = run(*COMMAND, "save", str(tmp_path / "backup"), PATH=str(tmp_path))
    assert (result.returncode, "Install pg_dump" in result.stderr) == (1, True)
    assert not (tmp_path / "backup").exists()
