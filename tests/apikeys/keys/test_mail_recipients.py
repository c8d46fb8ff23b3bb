"""Who gets which emails about keys: owners get the kinds that they chose, and those about looks from new addresses."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys import pausing, secret_storage, services
from apikeys.lifetimes.ends import change_end
from apikeys.lifetimes.notices import send_due_notices
from apikeys.models import ApiKey
from projects.audit_log.kinds import all_kinds
from projects.locks import NoLongerAllowed
from projects.models import Membership, Project
from projects.permissions import Role
from projects.services import choose_mails, delete_project
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.emails import ALL, HOME, OFFICE

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]


@pytest.fixture
def key(project, owner, told) -> ApiKey:
    """Created from HOME."""
    told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    return project.api_keys.get()


# Recipients


def test_every_owner_is_mailed_alone_also_the_one_who_did_it(key, owner, viewer, told):
    second = MembershipFactory(project=key.project, user=UserFactory(email="second@example.com")).user
    MembershipFactory(user=UserFactory(email="elsewhere@example.com"))
    found = told(services.delete_key, key=key, by=second)
    assert [message.to for message in found] == [["owner@example.com"], ["second@example.com"]]


def test_whose_account_is_deactivated_is_not_mailed(key, owner, told):
    owner.is_active = False
    owner.save()
    assert told(services.delete_key, key=key, by=None) == []


@pytest.mark.parametrize("off", ["created", "revealed", "ending", "reported", "deleted"])
def test_each_kind_of_mail_can_be_switched_off_by_itself(off, project, owner, told):
    choose_mails(project=project, by=owner, choice=ALL | {off: False})
    found = told(services.create_key, project=project, name="Production server", by=owner, address=HOME)
    key = project.api_keys.get()
    secret = services.reveal_secret(key=key, by=owner, address=HOME)
    found += told(services.copy_secret, key=key, by=owner, address=OFFICE)
    change_end(key=key, expires_at=timezone.now() + timedelta(days=3), by=owner)
    found += told(send_due_notices, timezone.now())
    found += told(services.report_leak, secret=secret)
    found += told(services.delete_key, key=key, by=owner)
    kinds = ["created", "revealed", "ending", "reported", "deleted"]
    words = {"created": "created:", "revealed": "copied", "ending": "expires in 3 days"}
    words |= {"reported": "reported", "deleted": "deleted:"}
    assert len(found) == 4
    expected = [words[kind] for kind in kinds if kind != off]
    assert all(word in message.subject for word, message in zip(expected, found, strict=True))


def test_without_the_mail_of_deleted_keys_a_deleted_project_is_no_mail_either(key, owner, told):
    choose_mails(project=key.project, by=owner, choice=ALL | {"deleted": False})
    assert told(delete_project, project=key.project, by=owner) == []


@pytest.mark.slow
def test_the_sample_account_is_mailed_nothing(told):
    assert told(call_command, "demo", verbosity=0) == []
    chosen = [{about: getattr(m, f"mail_{about}") for about in ALL} for m in Membership.objects.all()]
    assert chosen == [ALL] * len(chosen)


# A new address


def looked(key: ApiKey, by: User, address: str | None) -> None:
    services.copy_secret(key=key, by=by, address=address)


def test_an_address_is_new_once(key, owner, told):
    assert told(looked, key=key, by=owner, address=HOME) == [], "the key was created from there"
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1
    assert told(looked, key=key, by=owner, address=OFFICE) == []
    assert told(services.reveal_secret, key=key, by=owner, address=OFFICE) == []


def test_an_address_that_another_person_or_project_knows_is_new_here(key, owner, outsider, told):
    second = MembershipFactory(project=key.project).user
    assert len(told(looked, key=key, by=second, address=HOME)) == 2
    other = services.create_key(project=outsider.projects.get(), name="Other", by=outsider, address=OFFICE).key
    MembershipFactory(project=other.project, user=owner)
    looked(other, owner, OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 2


@pytest.mark.parametrize("off", ["created", "deleted"])
def test_an_action_without_an_email_makes_no_address_known(project, key, owner, told, off):
    """Otherwise a thief of a session would create and delete a key first, and then copy the other keys unnoticed."""
    project.memberships.update(**{f"mail_{off}": False})
    decoy = services.create_key(project=project, name="Decoy", by=owner, address=OFFICE if off == "created" else None)
    if off == "deleted":
        services.delete_key(key=decoy.key, by=owner, address=OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1
    assert told(looked, key=key, by=owner, address=OFFICE) == []


def test_pausing_from_an_address_does_not_make_it_known(key, owner, told):
    """Otherwise a thief of a session would pause and re-enable a key, which sends no email, and then reveal it
    unnoticed.
    """
    pausing.pause_key(key=key, by=owner, address=OFFICE)
    pausing.resume_key(key=key, by=owner, address=OFFICE)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1


def test_an_address_that_cannot_be_read_is_always_new(key, owner, told):
    for _ in range(2):
        (message,) = told(looked, key=key, by=owner, address=None)
        assert "From: an address that cannot be read\n" in message.body
    assert told(services.copy_secret, key=key, by=None) == [], "a command has no address"


def test_switching_these_emails_on_makes_no_earlier_address_known(project, key, owner, told):
    second = MembershipFactory(project=project).user
    choose_mails(project=project, by=second, choice=ALL | {"revealed": False})
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {owner.email}
    choose_mails(project=project, by=second, choice=ALL)
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {second.email}
    assert told(looked, key=key, by=owner, address=OFFICE) == []


@pytest.mark.parametrize("off", ["created", "deleted"])
def test_switching_an_email_on_makes_no_earlier_address_known(project, key, owner, told, off):
    choose_mails(project=project, by=owner, choice=ALL | {off: False})
    decoy = services.create_key(project=project, name="Decoy", by=owner, address=OFFICE if off == "created" else None)
    services.delete_key(key=decoy.key, by=owner, address=OFFICE if off == "deleted" else None)
    choose_mails(project=project, by=owner, choice=ALL)
    assert len(told(looked, key=key, by=owner, address=OFFICE)) == 1


def test_a_new_owner_knows_no_earlier_address(project, key, owner, told):
    told(looked, key=key, by=owner, address=OFFICE)
    second = MembershipFactory(project=project).user
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {second.email}
    assert told(looked, key=key, by=owner, address=OFFICE) == []
    assert addressees(told(services.reveal_secret, key=key, by=owner, address=HOME)) == {second.email}


def test_a_viewer_who_becomes_an_owner_knows_no_earlier_address(project, key, owner, viewer, admin, signed_in, told):
    told(looked, key=key, by=owner, address=OFFICE)
    membership = project.memberships.get(user=viewer)
    page = reverse("admin:projects_membership_change", args=[membership.pk])
    signed_in(admin).post(page, {"project": project.pk, "user": viewer.pk, "role": "owner"})
    assert addressees(told(looked, key=key, by=owner, address=OFFICE)) == {viewer.email}
    assert told(looked, key=key, by=owner, address=OFFICE) == []


def test_saving_the_same_choice_forgets_no_address(project, key, owner, told):
    choose_mails(project=project, by=owner, choice=ALL)
    assert project.memberships.get().mails_chosen_at is None
    assert told(looked, key=key, by=owner, address=HOME) == []


def addressees(messages: list[Any]) -> set[str]:
    return {address for message in messages for address in message.to}


@pytest.mark.parametrize("owners", [1, 20])
def test_a_look_costs_one_query_for_its_mails(project, key, owner, owners, django_assert_num_queries):
    MembershipFactory.create_batch(owners - 1, project=project)
    # Two are the savepoint of the test's own transaction, and two lock the project and ask for the right; three write
    # the emails.
    for statements in (10, 7):
        with django_assert_num_queries(statements):
            looked(key, owner, OFFICE)


# New secrets are stored


def test_all_owners_are_told_that_secrets_can_be_shown_again_whatever_they_chose(project, owner, viewer, told):
    second, gone = (MembershipFactory(project=project).user for _ in range(2))
    for user in (owner, second):
        choose_mails(project=project, by=user, choice=dict.fromkeys(ALL, False))
    gone.is_active = False
    gone.save()
    secret_storage.show_secrets_once(project=project, by=owner)
    found = told(secret_storage.keep_secrets, project=project, by=owner, address=HOME)
    assert [message.to for message in found] == [[owner.email], [second.email]]
    assert told(secret_storage.keep_secrets, project=project, by=owner, address=HOME) == []


def test_the_mail_that_secrets_can_be_shown_again_makes_no_address_known(project, key, owner, told):
    secret_storage.show_secrets_once(project=project, by=owner)
    secret_storage.keep_secrets(project=project, by=owner, address=OFFICE)
    new = services.create_key(project=project, name="New", by=owner, address=HOME)
    assert len(told(looked, key=new.key, by=owner, address=OFFICE)) == 1


# Choosing


def mails_page(project: Project) -> str:
    return reverse("projects:mails", args=[project.public_id])


def test_an_owner_chooses_on_the_settings_page(project, owner, signed_in):
    client = signed_in(owner)
    page = reverse("apikeys:settings", args=[project.public_id])
    assert boxes(client.get(page)) == ALL
    answer = client.post(mails_page(project), {"created": "on", "reported": "on"}, follow=True)
    assert answer.redirect_chain == [(f"{page}#mails", 302)]
    assert "Notification settings saved." in answer.content.decode()
    off = {"deleted": False, "revealed": False, "ending": False, "new_address": False}
    assert boxes(answer) == {"created": True, "reported": True, **off}
    client.post(mails_page(project))
    assert boxes(client.get(page)) == dict.fromkeys(ALL, False)


def boxes(answer: Any) -> dict[str, bool]:
    found = re.findall(r'<input type="checkbox" name="(\w+)" id="mail-\w+"( checked)?>', answer.content.decode())
    return {name: bool(checked) for name, checked in found}


def test_a_viewer_sees_why_there_is_nothing_to_choose(project, viewer, signed_in):
    answer = signed_in(viewer).get(reverse("apikeys:settings", args=[project.public_id]))
    assert (
        "Only owners and developers of the project can get email notifications about keys." in answer.content.decode()
    )
    assert boxes(answer) == {}


def test_each_owner_chooses_for_oneself_and_this_project(project, owner):
    second = MembershipFactory(project=project).user
    elsewhere = MembershipFactory(user=owner)
    choose_mails(project=project, by=owner, choice=dict.fromkeys(ALL, False))
    chosen = {(m.user, m.project): m.mail_created for m in Membership.objects.all()}
    assert chosen == {(owner, project): False, (second, project): True, (owner, elsewhere.project): True}


def test_a_viewer_who_becomes_an_owner_is_mailed(project, viewer):
    with pytest.raises(NoLongerAllowed):
        choose_mails(project=project, by=viewer, choice=dict.fromkeys(ALL, False))
    Membership.objects.filter(user=viewer).update(role=Role.OWNER)
    assert Membership.objects.mailed("created").filter(user=viewer).exists()


def test_every_choice_is_a_column_and_every_mail_has_its_choice():
    columns = {field.name.removeprefix("mail_") for field in Membership._meta.fields if field.name.startswith("mail_")}
    emails = {kind.code: kind.email for kind in all_kinds() if kind.email}
    # Emails about time are about no event (apikeys/lifetimes, apikeys/usage).
    of_time = {"ending", "new_address"}
    assert columns == set(ALL) == {email.switch for email in emails.values() if email.switch} | of_time
    without_a_choice = {
        "resumed_reported",
        "revived",
        "shown_again",
        "member_added",
        "member_changed",
        "member_removed",
        "member_joined",
        "member_left",
        "invited",
        "key_handed_over",
        "project_limited",
    }
    assert {code for code, email in emails.items() if not email.switch} == without_a_choice
