"""Which mails owners get about keys, and what they say. How they are delivered: test_mail_delivery.py."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse

from accounts.models import User
from apikeys import mail_delivery, mails, services
from apikeys.models import ApiKey
from projects.models import Membership, Project
from projects.permissions import Role
from projects.services import choose_mails, delete_project
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

HOME, OFFICE = "203.0.113.7", "2001:db8:40::17"
SOURCE = "https://github.com/acme/weather/blob/main/.env#L3"
ALL = {"created": True, "deleted": True, "revealed": True, "reported": True}


@pytest.fixture
def told(django_capture_on_commit_callbacks) -> Callable[..., list[Any]]:
    """The mails of what `act` does."""

    def told(act: Callable[..., Any], *words: Any, **arguments: Any) -> list[Any]:
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            act(*words, **arguments)
        assert mail.outbox == [], "nothing is sent before the thread does"
        mail_delivery.send_waiting()
        return list(mail.outbox)

    return told


@pytest.fixture
def key(project, owner, told) -> ApiKey:
    """Created from HOME."""
    told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    return project.api_keys.get()


# Their words


def settings_of(project: Project) -> str:
    return f"http://127.0.0.1:8000/projects/{project.public_id}/settings/"


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
        "You own this project in Latchkey. Choose which of these mails you get:\n"
        f"{settings_of(project)}#mails\n"
    )


SAYS: dict[str, tuple[Callable[[ApiKey, User], Any], str, list[str]]] = {
    "deleted": (
        lambda key, by: services.delete_key(key=key, by=by, address=HOME),
        "API key deleted: Production server (Acme Weather)",
        ["was deleted, for good", "By: owner@example.com", f"From: {HOME}", "create a new key", "#api-keys", "#mails"],
    ),
    "copied": (
        lambda key, by: services.copy_secret(key=key, by=by, address=OFFICE),
        "API key copied from a new address: Production server (Acme Weather)",
        ["was copied, from an address", "By: owner@example.com", f"From: {OFFICE}", "pause the key", "#api-keys"],
    ),
    "revealed": (
        lambda key, by: services.reveal_secret(key=key, by=by, address=OFFICE),
        "API key revealed from a new address: Production server (Acme Weather)",
        ["was revealed, from an address", "By: owner@example.com", f"From: {OFFICE}", "pause the key", "#api-keys"],
    ),
    "reported": (
        lambda key, by: services.report_leak(
            secret=services.reveal_secret(key=key, by=by), address=OFFICE, source=SOURCE
        ),
        "API key reported as leaked: Production server (Acme Weather)",
        [
            *("reported it as leaked", "has paused the key", f"Found at (says whoever reported it): {SOURCE}"),
            *(f"From: {OFFICE}", "Create a new key, switch your programs to it", "#api-keys", "#mails"),
        ],
    ),
    "project deleted": (
        lambda key, by: delete_project(project=key.project, by=by, address=HOME),
        "Project deleted: Acme Weather",
        ["The project was deleted, for good", "By: owner@example.com", f"From: {HOME}", "ask the operators"],
    ),
}


@pytest.mark.parametrize("what", SAYS)
def test_what_each_mail_says(what, key, owner, told):
    act, subject, said = SAYS[what]
    (message,) = told(act, key=key, by=owner)
    assert message.subject == f"[Latchkey] {subject}"
    assert re.search(WHEN, message.body)
    for words in ("Project: Acme Weather", *said):
        assert words in message.body
    assert ("By:" in message.body) is (what != "reported"), "whoever reports is nobody"
    assert message.content_subtype == "plain"
    assert not getattr(message, "alternatives", None)


def test_an_operators_command_is_told_of_as_such(key, told):
    (message,) = told(call_command, "deletekey", key.public_id, verbosity=0)
    assert "By: an operator of this server\n" in message.body
    assert "From:" not in message.body


def test_pausing_re_enabling_and_forgetting_secrets_are_no_mails(key, owner, told):
    for change in (services.pause_key, services.resume_key):
        assert told(change, key=key, by=owner, address=OFFICE) == []
    assert told(services.show_secrets_once, project=key.project, by=owner, address=OFFICE) == []


def test_what_changes_nothing_is_no_mail(key, owner, told):
    secret = services.copy_secret(key=key, by=owner, address=HOME)
    services.report_leak(secret=secret)
    assert told(services.report_leak, secret=secret) == []
    services.delete_key(key=key, by=owner)
    assert told(services.delete_key, key=key, by=owner) == []
    assert told(delete_project, project=key.project, by=owner) == [], "it has no key any more"


def test_a_project_with_many_keys_is_deleted_with_one_mail(key, owner, told):
    for number in range(5):
        services.create_key(project=key.project, name=f"Key {number}", by=owner)
    assert len(told(delete_project, project=key.project, by=owner)) == 1


def test_no_mail_holds_a_secret(project, owner, told):
    """T29, in part"""
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
    """No form lets a line feed into a name; a row that holds one all the same is mailed of, on one line."""
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


# Who gets them


def test_every_owner_is_mailed_alone_also_the_one_who_did_it(key, owner, viewer, told):
    second = MembershipFactory(project=key.project, user=UserFactory(email="second@example.com")).user
    MembershipFactory(user=UserFactory(email="elsewhere@example.com"))
    found = told(services.delete_key, key=key, by=second)
    assert [message.to for message in found] == [["owner@example.com"], ["second@example.com"]]


def test_whose_account_is_deactivated_is_not_mailed(key, owner, told):
    owner.is_active = False
    owner.save()
    assert told(services.delete_key, key=key, by=None) == []


@pytest.mark.parametrize("off", ALL)
def test_each_kind_of_mail_can_be_switched_off_by_itself(off, project, owner, told):
    choose_mails(project=project, by=owner, **ALL | {off: False})
    found = told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    key = project.api_keys.get()
    secret = services.reveal_secret(key=key, by=owner, address=HOME)
    found += told(services.copy_secret, key=key, by=owner, address=OFFICE)
    found += told(services.report_leak, secret=secret)
    found += told(services.delete_key, key=key, by=owner)
    kinds = ["created", "revealed", "reported", "deleted"]
    words = {"created": "created:", "revealed": "copied", "reported": "reported", "deleted": "deleted:"}
    assert len(found) == 3
    expected = [words[kind] for kind in kinds if kind != off]
    assert all(word in message.subject for word, message in zip(expected, found, strict=True))


def test_without_the_mail_of_deleted_keys_a_deleted_project_is_no_mail_either(key, owner, told):
    choose_mails(project=key.project, by=owner, **ALL | {"deleted": False})
    assert told(delete_project, project=key.project, by=owner) == []


def test_the_sample_account_is_mailed_nothing(told):
    assert told(call_command, "demo", verbosity=0) == []
    assert {getattr(m, f"mail_{about}") for m in Membership.objects.all() for about in ALL} == {True}


# A new address


def looked(key: ApiKey, by: User, address: str | None) -> None:
    services.copy_secret(key=key, by=by, address=address)


def test_an_address_is_new_once(key, owner, told):
    assert told(looked, key=key, by=owner, address=HOME) == [], "the key was created from there"
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1
    assert told(looked, key=key, by=owner, address=OFFICE) == []
    assert told(services.reveal_secret, key=key, by=owner, address=OFFICE) == []


def test_what_another_person_or_project_knows_is_new_here(key, owner, outsider, told):
    second = MembershipFactory(project=key.project).user
    assert len(told(looked, key=key, by=second, address=HOME)) == 2
    other = services.create_key(project=outsider.projects.get(), name="Other", by=outsider, address=OFFICE).key
    looked(other, owner, OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 2


@pytest.mark.parametrize("off", ["created", "deleted"])
def test_what_an_owner_is_not_told_of_makes_no_address_known(project, key, owner, told, off):
    """Else a thief of a session would make and delete a key first, and then copy the others unnoticed."""
    project.memberships.update(**{f"mail_{off}": False})
    decoy = services.create_key(project=project, name="Decoy", by=owner, address=OFFICE if off == "created" else None)
    if off == "deleted":
        services.delete_key(key=decoy.key, by=owner, address=OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1
    assert told(looked, key=key, by=owner, address=OFFICE) == []


def test_pausing_from_an_address_does_not_make_it_known(key, owner, told):
    """Else a thief of a session would pause and re-enable, of which nobody is told, and then reveal in silence."""
    services.pause_key(key=key, by=owner, address=OFFICE)
    services.resume_key(key=key, by=owner, address=OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1


def test_no_address_is_not_a_new_one(key, owner, told):
    assert told(looked, key=key, by=owner, address=None) == []


def test_a_look_costs_two_queries_for_its_mail_at_most(key, owner, django_assert_num_queries):
    with django_assert_num_queries(6):  # two of them the savepoint of the test's own transaction
        looked(key, owner, OFFICE)
    with django_assert_num_queries(5):
        looked(key, owner, OFFICE)


# Nothing happened, nothing is said


def test_a_change_that_is_taken_back_is_no_mail(key, owner, told):
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
    assert "on_commit" in caplog.text


# Choosing


def mails_page(project: Project) -> str:
    return reverse("projects:mails", args=[project.public_id])


def test_an_owner_chooses_on_the_settings_page(project, owner, signed_in):
    client = signed_in(owner)
    page = reverse("apikeys:settings", args=[project.public_id])
    assert boxes(client.get(page)) == ALL
    answer = client.post(mails_page(project), {"created": "on", "reported": "on"}, follow=True)
    assert answer.redirect_chain == [(f"{page}#mails", 302)]
    assert "Saved. You get 2 of the 4 kinds of mail about Acme Weather." in answer.content.decode()
    assert boxes(answer) == {"created": True, "deleted": False, "revealed": False, "reported": True}
    client.post(mails_page(project))
    assert boxes(client.get(page)) == dict.fromkeys(ALL, False)


def boxes(answer: Any) -> dict[str, bool]:
    found = re.findall(r'<input type="checkbox" name="(\w+)" id="mail-\w+"( checked)?>', answer.content.decode())
    return {name: bool(checked) for name, checked in found}


def test_a_viewer_sees_why_there_is_nothing_to_choose(project, viewer, signed_in):
    answer = signed_in(viewer).get(reverse("apikeys:settings", args=[project.public_id]))
    assert "Only owners of the project are told by mail what happens to its keys." in answer.content.decode()
    assert boxes(answer) == {}


def test_each_owner_chooses_for_oneself_and_this_project(project, owner):
    second = MembershipFactory(project=project).user
    elsewhere = MembershipFactory(user=owner)
    choose_mails(project=project, by=owner, **dict.fromkeys(ALL, False))
    chosen = {(m.user, m.project): m.mail_created for m in Membership.objects.all()}
    assert chosen == {(owner, project): False, (second, project): True, (owner, elsewhere.project): True}


def test_a_viewer_who_becomes_an_owner_is_mailed(project, viewer):
    choose_mails(project=project, by=viewer, **dict.fromkeys(ALL, False))
    Membership.objects.filter(user=viewer).update(role=Role.OWNER)
    assert Membership.objects.mailed("created").filter(user=viewer).exists()


def test_every_choice_is_a_column_and_every_mail_has_its_choice():
    columns = {field.name.removeprefix("mail_") for field in Membership._meta.fields if field.name.startswith("mail_")}
    assert columns == set(ALL) == {words.switch for words in mails._WORDS.values()}
