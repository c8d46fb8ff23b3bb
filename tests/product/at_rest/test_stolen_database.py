"""T45: the data that a thief can read who has the database or its backup, but none of the secrets outside it."""

import html
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.urls import reverse

from apikeys.keys import services
from tests.config.backups.running import backup, run
from tests.support.environment import ON_SQLITE, SQLITE_FILE
from tests.support.factories import MembershipFactory
from tests.support.people import thief
from tests.support.people.accounts import PASSWORD, new_person, totp_code
from tests.support.people.visitor import Visitor
from tests.support.programs.mail_server import MailServer
from tests.support.programs.servers import Server, database_url

pytestmark = pytest.mark.django_db(transaction=True)

MAILED_CODE = r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})+)\s*$"


@dataclass
class Known:
    """The secrets of a real installation, as its users know them."""

    sessions: list[str] = field(default_factory=list)
    mailed_codes: list[str] = field(default_factory=list)
    totp_seeds: list[str] = field(default_factory=list)
    recovery_codes: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer().running() as server:
        yield server


@pytest.fixture
def visited(start_server, mail_server) -> Server:
    return start_server(EMAIL_URL=mail_server.url, EMAIL_VERIFICATION="mandatory")


@pytest.fixture
def known(visited, mail_server, project) -> Known:
    """Ada and others visit the server. Afterwards every kind of secret that the pages make is in use."""
    ada, found = new_person(), Known()
    MembershipFactory(project=project, user=ada)
    found.keys.append(services.create_key(project=project, name="Production server", by=ada).secret)
    owner = Visitor(visited).sign_in(ada.email, PASSWORD)
    _set_app_up(owner, found)
    # She signs in elsewhere, and has not given her second factor yet.
    halfway = Visitor(visited).sign_in(ada.email, PASSWORD)
    assert not halfway.sees("account_email")
    lost = Visitor(visited)
    lost.post(reverse("account_reset_password"), email=ada.email)
    new = Visitor(visited)
    new.post(reverse("account_signup"), email="new@example.com", password1=PASSWORD)
    owner.post(reverse("account_email"), email="ada@example.net", action_add="")
    deadline = time.monotonic() + 60
    while len(found.mailed_codes) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        mails = [mail.get_content() for mail in mail_server.mails]
        found.mailed_codes = [code for mail in mails for code in re.findall(MAILED_CODE, mail, re.MULTILINE)]
    found.sessions = [visitor.session_id for visitor in (owner, halfway, lost, new)]
    assert (len(found.mailed_codes), len(found.recovery_codes)) == (3, 10)
    return found


def _set_app_up(owner: Visitor, found: Known) -> None:
    """An app, its recovery codes, and the seed of another app that is only shown."""
    page = owner.get(reverse("mfa_activate_totp")).body.decode()
    [seed] = re.findall(r'id="totp-secret">([A-Z2-7]+)<', page)
    assert owner.post(reverse("mfa_activate_totp"), code=totp_code(seed)).status == 302
    codes = html.unescape(owner.get(reverse("mfa_view_recovery_codes")).body.decode())
    found.recovery_codes = re.findall(r"\b\d{8}\b", codes)
    found.totp_seeds.append(seed)


def backup_alone(folder: Path) -> bytes:
    """The files of `manage.py backup save`, and a dump by PostgreSQL's or SQLite's own program."""
    assert backup("save", folder / "backup").returncode == 0
    content = b"\n".join(path.read_bytes() for path in sorted((folder / "backup").iterdir()))
    if ON_SQLITE:
        return content + _as_sql(folder / "backup" / "database.sqlite3")
    assert run("pg_restore", "--file", str(folder / "sql"), str(folder / "backup" / "database.dump")).returncode == 0
    return content + (folder / "sql").read_bytes()


def whole_database(folder: Path) -> bytes:
    """Every row of every table, including cache and sessions. For SQLite, the files including the journal."""
    if not ON_SQLITE:
        assert run("pg_dump", "--file", str(folder / "sql"), database_url()).returncode == 0
        return (folder / "sql").read_bytes()
    content = b""
    for path in SQLITE_FILE.parent.glob(f"{SQLITE_FILE.name}*"):
        content += path.read_bytes()
        (folder / path.name).write_bytes(path.read_bytes())
    return content + _as_sql(folder / SQLITE_FILE.name)


def _as_sql(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump()).encode()
    finally:
        connection.close()


def read_by_thief(loot: bytes, server: Server, known: Known) -> dict[str, int]:
    """The number of secrets of each kind that the loot reveals."""
    text = thief.readable(loot)
    expected = {totp_code(seed, step) for seed in known.totp_seeds for step in (-1, 0, 1)}
    recovery_codes = thief.recovery_codes(text) | set(re.findall(r"\b\d{8}\b", text))
    return {
        "sessions": len(thief.cookies_that_work(text, server, thief.SIGNED_IN)),
        "session ids": sum(thief.stands_in(session, text) for session in known.sessions),
        "mailed codes": sum(thief.stands_in(code, text) for code in known.mailed_codes),
        "TOTP codes": len(thief.totp_codes(text) & expected),
        "TOTP seeds": sum(thief.stands_in(seed, text) for seed in known.totp_seeds),
        "recovery codes": len(recovery_codes & {*known.recovery_codes}),
        "keys": sum(thief.stands_in(key, text) for key in known.keys),
    }


LOOT: dict[str, Callable[[Path], bytes]] = {"backup": backup_alone, "database": whole_database}


@pytest.mark.parametrize("steal", LOOT.values(), ids=LOOT.keys())
def test_a_stolen_database_or_backup_reads_no_secret(steal, known, visited, tmp_path):
    """T45"""
    loot = steal(tmp_path)
    assert b"ada@example.com" in loot, "the thief has the database"
    read = read_by_thief(loot, visited, known)
    print(f"{steal.__name__}: {read}")
    assert set(read.values()) == {0}
    secrets = [*known.sessions, *known.mailed_codes, *known.totp_seeds, *known.keys]
    assert not any(thief.stands_in(secret, visited.log_text()) for secret in secrets)
