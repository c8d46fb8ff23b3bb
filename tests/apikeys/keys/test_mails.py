"""The text of the emails to owners, and the changes that send none. tests/common/outbox tests their delivery."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.headerregistry import Address
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from apikeys.keys import pausing, secret_storage, services
from apikeys.models import ApiKey
from apikeys.standing import PauseReason
from projects.models import Project
from projects.services import delete_project, rename_project
from tests.support.people.emails import HOME, OFFICE, SOURCE

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(project, owner, told) -> ApiKey:
    """Created from HOME."""
    told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    return project.api_keys.get()


# Text


def settings_of(project: Project) -> str:
    return f"http://localhost:8000/projects/{project.public_id}/settings/"


def re_enabled_although_reported(key: ApiKey, by: User) -> None:
    ApiKey.objects.filter(pk=key.pk).update(**pausing.paused(timezone.now(), PauseReason.REPORTED))
    assert pausing.resume_key(key=key, by=by, address=HOME, although_reported=True)


WHEN = r"When: \d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d:\d\d UTC\n"


def test_what_the_mail_of_a_new_key_says(project, owner, told):
    (message,) = told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    mask = project.api_keys.get().mask
    assert message.subject == "[Latchkey] API key created: Production server (Acme Weather)"
    assert (message.to, message.cc, message.bcc) == (["owner@example.com"], [], [])
    when = re.search(WHEN, message.body)
    assert when
    assert message.body == (
        "An API key was created.\n\n"
        f"Project: Acme Weather\nKey: Production server, {mask}\nBy: owner@example.com\n{when[0]}From: {HOME}\n\n"
        "If this was not you or someone you trust, delete the key, then change your password and sign out your other "
        f"sessions.\n\n{settings_of(project)}#api-keys\n\n-- \n"
        "You get this email because you work on the project. Manage notifications:\n"
        f"{settings_of(project)}#mails\n"
    )


def shown_once(project: Project) -> Project:
    secret_storage.show_secrets_once(project=project, by=None)
    return project


SAYS: dict[str, tuple[Callable[[ApiKey, User], Any], str, list[str]]] = {
    "deleted": (
        lambda key, by: services.delete_key(key=key, by=by, address=OFFICE),
        "API key deleted: Production server (Acme Weather)",
        ["was deleted for good", "By: owner@example.com", f"From: {OFFICE}", "create a new key", "#api-keys", "#mails"],
    ),
    "copied": (
        lambda key, by: services.copy_secret(key=key, by=by, address=OFFICE),
        "API key copied from a new address: Production server (Acme Weather)",
        ["was copied from an address", "By: owner@example.com", f"From: {OFFICE}", "pause the key", "#api-keys"],
    ),
    "revealed": (
        lambda key, by: services.reveal_secret(key=key, by=by, address=OFFICE),
        "API key revealed from a new address: Production server (Acme Weather)",
        ["was revealed from an address", "By: owner@example.com", f"From: {OFFICE}", "pause the key", "#api-keys"],
    ),
    "reported": (
        lambda key, by: services.report_leak(
            secret=services.reveal_secret(key=key, by=by, address=HOME), address=OFFICE, source=SOURCE
        ),
        "API key reported as leaked: Production server (Acme Weather)",
        [
            *("was reported as leaked", "has paused the key", f"Reported location (unverified): {SOURCE}"),
            *(f"From: {OFFICE}", "Roll the key, switch your programs to the new one", "#api-keys", "#mails"),
        ],
    ),
    "new secrets stored": (
        lambda key, by: secret_storage.keep_secrets(project=shown_once(key.project), by=by, address=HOME),
        "New secrets are stored: Acme Weather",
        [
            *("The secrets of new keys are now stored, encrypted", "By: owner@example.com", f"From: {HOME}"),
            *('press "Stop storing secrets"', "#show-once", "All owners get it."),
        ],
    ),
    "reported key re-enabled": (
        lambda key, by: re_enabled_although_reported(key, by),
        "Reported API key re-enabled: Production server (Acme Weather)",
        [
            *("that was reported as leaked was re-enabled", "By: owner@example.com", f"From: {HOME}", "pause the key"),
            *("#api-keys", "All owners get it."),
        ],
    ),
    "project deleted": (
        lambda key, by: delete_project(project=key.project, by=by, address=HOME),
        "Project deleted: Acme Weather",
        [
            "The project and its API keys were deleted for good",
            "By: owner@example.com",
            f"From: {HOME}",
            "ask an administrator",
            "You get this email because you were an owner or a developer of the project.",
        ],
    ),
}


CHOSEN_BY_NOBODY = {"new secrets stored", "project deleted", "reported key re-enabled"}


@pytest.mark.parametrize("what", SAYS)
def test_what_each_mail_says(what, key, owner, told):
    act, subject, said = SAYS[what]
    (message,) = told(act, key=key, by=owner)
    assert message.subject == f"[Latchkey] {subject}"
    assert re.search(WHEN, message.body)
    for words in ("Project: Acme Weather", *said):
        assert words in message.body
    assert ("Manage notifications" in message.body) is (what not in CHOSEN_BY_NOBODY)
    assert ("By:" in message.body) is (what != "reported"), "whoever reports is nobody"
    assert message.content_subtype == "plain"
    assert not getattr(message, "alternatives", None)


def test_an_operators_command_is_told_of_as_such(key, told):
    (message,) = told(call_command, "deletekey", key.public_id, verbosity=0)
    assert "By: an operator of this server\n" in message.body
    assert "From:" not in message.body


def test_pausing_re_enabling_and_showing_secrets_once_are_no_mails(key, owner, told):
    for change in (pausing.pause_key, pausing.resume_key):
        assert told(change, key=key, by=owner, address=OFFICE) == []
    assert told(secret_storage.show_secrets_once, project=key.project, by=owner, address=OFFICE) == []


def test_an_action_without_effect_sends_no_email(key, owner, told):
    secret = services.copy_secret(key=key, by=owner, address=HOME)
    services.report_leak(secret=secret)
    assert told(services.report_leak, secret=secret) == []
    assert told(secret_storage.keep_secrets, project=key.project, by=owner) == [], "they are stored already"
    services.delete_key(key=key, by=owner)
    assert told(services.delete_key, key=key, by=owner) == []
    assert len(told(delete_project, project=key.project, by=owner)) == 1
    assert told(delete_project, project=key.project, by=owner) == [], "it is deleted already"


def test_a_project_without_keys_is_deleted_with_a_mail(project, owner, told):
    """Its files are destroyed, and no key is left whose event would say so."""
    [message] = told(delete_project, project=project, by=owner, address=HOME)
    assert "Project deleted: Acme Weather" in message.subject
    assert "and its files with them" in message.body
    assert f"From: {HOME}" in message.body


@pytest.mark.parametrize("name", ["=?utf-8?q?Secrets_were_leaked?=", "=?utf-8?q?Evil=0D=0ABcc:_x@y.z?=", "é =?u?q?x?="])
def test_a_name_that_looks_encoded_reaches_the_reader_as_typed(name, project, owner, told):
    """RFC 2047: mail programs decode encoded words in a subject, which could hold hidden characters (T26)."""
    rename_project(project=project, name=name, by=owner)
    [message] = told(services.create_key, project=project, name=name, by=owner)
    read = message_from_bytes(message.message().as_bytes(), policy=policy.default)
    assert read["Subject"] == message.subject == f"[Latchkey] API key created: {name} ({name})"
    assert not read.defects
    assert list(read["To"].addresses) == [Address(addr_spec=owner.email)]


def test_a_long_subject_that_is_not_ascii_begins_on_its_first_line(project, owner, told):
    """Mail programs read a space before a subject whose first line is empty."""
    rename_project(project=project, name="P" * 64, by=owner)
    [message] = told(services.create_key, project=project, name="Prod uction 日本", by=owner)
    raw = message.message().as_bytes()
    assert b"\nSubject: =?utf-8?" in raw
    assert max(map(len, raw.partition(b"\n\n")[0].splitlines())) <= 78
    assert message_from_bytes(raw, policy=policy.default)["Subject"] == message.subject


def test_a_project_with_many_keys_is_deleted_with_one_mail(key, owner, told):
    for number in range(5):
        services.create_key(project=key.project, name=f"Key {number}", by=owner)
    assert len(told(delete_project, project=key.project, by=owner)) == 1


def test_no_mail_holds_a_secret(project, owner, told):
    """T29: one part of the promise."""
    found = told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    key = project.api_keys.get()
    secret = services.reveal_secret(key=key, by=owner, address=HOME)
    found += told(services.copy_secret, key=key, by=owner, address=OFFICE)
    found += told(services.report_leak, secret=secret, source=SOURCE)
    found += told(services.delete_key, key=key, by=owner)
    assert len(found) == 4
    for message in found:
        assert secret[7:-4] not in str(message.message())


def test_a_name_cannot_write_a_header_of_its_own(key, owner, told):
    """No form accepts a line feed in a name. If a row has one anyway, its email still has the name on one line."""
    hostile = "Weather\r\nBcc: everyone@example.com\n\nBuy now"
    Project.objects.update(name=hostile)
    ApiKey.objects.update(name=hostile)
    (message,) = told(services.delete_key, key=ApiKey.objects.get(), by=owner)
    written = message.message()
    assert "Bcc" not in written
    assert written["To"] == "owner@example.com"
    assert "Bcc: everyone@example.com Buy now" in str(message.subject)


def test_names_of_all_languages_and_html_are_written_as_they_are(project, owner, told):
    (message,) = told(services.create_key, project=project, name="<b>Ключ</b> & 鍵", by=owner)
    assert message.subject == "[Latchkey] API key created: <b>Ключ</b> & 鍵 (Acme Weather)"
    assert "Key: <b>Ключ</b> & 鍵, lk_" in message.body
    assert message.message()["Subject"].isascii()


# Without a change, no email


def test_a_change_that_is_rolled_back_sends_no_email(key, owner, told):
    def deleted_and_taken_back() -> None:
        with transaction.atomic():
            services.delete_key(key=key, by=owner)
            transaction.set_rollback(True)

    assert told(deleted_and_taken_back) == []
    assert ApiKey.objects.get().is_active


def test_a_mail_that_cannot_be_written_breaks_no_change(key, owner, told, settings, caplog):
    settings.BASE_URL = None
    assert told(services.delete_key, key=key, by=owner) == []
    assert ApiKey.objects.get().is_deleted
    assert "mail_not_written" in caplog.text
