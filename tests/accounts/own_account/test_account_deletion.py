"""Deleting one's own account: refused while something hangs on it, final afterwards, and nothing tells who it was."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import address_clashes
from accounts.admin import UserCreationForm
from accounts.models import User
from accounts.own_account.deletion import StillNeeded, delete_account, obstacles_of
from accounts.services import SHOWN, reactivate_account
from accounts.sign_up.first_password import prepare_account
from apikeys import audit_kinds as key_kinds
from apikeys.hand_over.models import KeyOffer
from apikeys.keys.services import create_key, delete_key, rename_key
from common.outbox.enqueueing import enqueue
from common.outbox.models import Email
from projects import audit_kinds
from projects.audit_log.models import AuditEvent
from projects.audit_log.recording import record
from projects.invitations.models import Invitation
from projects.invitations.services import invite
from projects.members.memberships import change_member
from projects.models import Membership
from projects.permissions import Role
from projects.services import delete_project, rename_project
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.support.people.accounts import LOGIN, PASSWORD, SIGN_UP, log_in
from tests.support.people.confirmation import asks
from tests.support.people.sessions import age
from tests.support.places.pages import page, text

pytestmark = pytest.mark.nodb

PAGE = reverse("account_delete")
ADA = "ada@example.com"
CONFIRMED = {"confirmation": ADA}


@pytest.fixture
def shared(project, person) -> Any:
    """A project in which the person is the second owner."""
    MembershipFactory(project=project, user=person, role=Role.OWNER)
    return project


def test_the_page_lists_what_hangs_on_the_account_and_deletes_nothing(inside, person, shared):
    """Each thing leads to the page where the person settles it."""
    alone = ProjectFactory(name="Alone", created_by=person)
    MembershipFactory(project=alone, user=person)
    key, paid = (create_key(project=project, name="Billing", by=person).key for project in (shared, alone))
    for answer in (inside.get(PAGE), inside.post(PAGE, CONFIRMED)):
        assert "Your account can't be deleted yet" in text(answer)
        content = answer.content.decode()
        assert f'href="{page("projects:members", alone)}"' in content
        assert page("projects:members", shared) not in content.split('class="subnav"')[1]
        assert f'href="{page("apikeys:key", shared, key)}"' in content
        assert page("apikeys:key", alone, paid) not in content, "the project is listed already"
    person.refresh_from_db()
    assert (person.email, person.deleted_at) == (ADA, None)
    delete_key(key=key, by=person)
    delete_project(project=alone, by=person)
    assert obstacles_of(person) == []
    assert inside.post(PAGE, CONFIRMED)["Location"] == LOGIN


def test_a_key_of_a_former_project_has_the_names_that_the_person_knew(inside, person, shared, owner):
    key = create_key(project=shared, name="Billing", by=person).key
    known = shared.name
    change_member(project=shared, user=person, role=None, by=owner)
    rename_key(key=key, name="Secret plan", by=owner)
    for name in ("Takeover of Acme", "Another"):
        rename_project(project=shared, name=name, by=owner)
    shown = text(inside.get(PAGE))
    said = f"Billing in {known}, of which you are no longer a member: ask owner@example.com to take the key over"
    assert said in shown
    for later in ("Secret plan", "Takeover of Acme", "Another"):
        assert later not in shown


def test_a_long_list_says_how_many_more_there_are(inside, person, shared):
    ApiKeyFactory.create_batch(SHOWN + 2, project=shared, responsible=person)
    shown = text(inside.get(PAGE))
    assert f"The first {SHOWN} of {SHOWN + 2}." in shown
    assert "And 2 more." in shown


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_who_may_not_hand_a_key_over_reads_which_owners_to_ask(inside, person, project, owner, role):
    """Deactivated owners cannot help. An owner asks nobody."""
    MembershipFactory(project=project, user=UserFactory(is_active=False))
    second = MembershipFactory(project=project, user=UserFactory(email="second@example.com"))
    mine = MembershipFactory(project=project, user=person, role=role)
    ApiKeyFactory(project=project, responsible=person, name="Billing")
    billing = f"Billing in {project.name}"
    assert f"{billing} : ask {owner.email} or {second.user.email} to take the key over" in text(inside.get(PAGE))
    mine.role = Role.OWNER
    mine.save()
    assert f"{billing} : ask" not in text(inside.get(PAGE))


def test_a_former_member_learns_of_no_owner_who_came_later(inside, person, shared, owner):
    colleague = MembershipFactory(project=shared, role=Role.DEVELOPER).user
    create_key(project=shared, name="Billing", by=person)
    change_member(project=shared, user=person, role=None, by=owner)
    later = UserFactory()
    for user in (colleague, later):
        change_member(project=shared, user=user, role=Role.OWNER, by=owner)
    ask = "of which you are no longer a member: ask {} to take the key over"
    assert ask.format(owner.email) in text(inside.get(PAGE))
    change_member(project=shared, user=owner, role=None, by=later)
    assert ask.format("an administrator of this server") in text(inside.get(PAGE))


def test_the_only_superuser_stays(admin):
    with pytest.raises(StillNeeded):
        delete_account(user=admin)
    UserFactory(is_superuser=True, is_staff=True, is_active=False)
    assert "You are the only superuser of this server" in obstacles_of(admin)[0].what
    UserFactory(is_superuser=True, is_staff=True)
    delete_account(user=admin)
    assert not User.objects.get(pk=admin.pk).is_superuser


def test_it_asks_for_a_recent_sign_in_and_for_the_address(inside, person):
    for typed in ("", "grace@example.com", person.public_id):
        assert "Type the address exactly: ada@example.com" in text(inside.post(PAGE, {"confirmation": typed}))
    age(inside)
    for answer in (inside.get(PAGE), inside.post(PAGE, CONFIRMED)):
        assert asks(answer)
    assert not User.objects.exclude(deleted_at=None).exists()


def test_an_owner_of_several_projects_gets_one_email(person, shared, owner, outsider, told):
    """T49: one email to each owner, which names the projects that they own."""
    tides = ProjectFactory(name="Tides")
    for user, project, role in (
        (person, tides, Role.VIEWER),
        (owner, tides, Role.OWNER),
        (outsider, tides, Role.OWNER),
    ):
        MembershipFactory(user=user, project=project, role=role)
    sent = {message.to[0]: message for message in told(delete_account, user=person)}
    assert set(sent) == {ADA, owner.email, outsider.email}
    assert sent[owner.email].subject == "[Latchkey] Member left: ada@example.com (2 projects)"
    assert f"Project: {shared.name}\nProject: Tides\n" in sent[owner.email].body
    assert sent[outsider.email].subject == "[Latchkey] Member left: ada@example.com (Tides)"
    assert shared.name not in sent[outsider.email].body
    assert AuditEvent.objects.filter(member=person, kind="member_left").count() == 2


def test_afterwards_nothing_tells_who_it_was_and_nobody_gets_in(inside, person, shared, owner, told):
    person.name, person.former_email = "Ada Lovelace", "ADA@example.com"
    person.save()
    Authenticator.objects.create(user=person, type="totp", data={})
    SocialAccount.objects.create(user=person, provider="https://acme.example", uid="1", extra_data={"email": ADA})
    elsewhere = Client()
    elsewhere.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    enqueue([EmailMessage("News", "…", to=[ADA])], about=shared.public_id)
    sent = told(inside.post, PAGE, CONFIRMED)
    user = User.objects.get(pk=person.pk)
    assert (user.email, user.name, user.former_email) == (f"{user.public_id}@deleted.invalid".lower(), "", None)
    assert (user.is_active, user.has_usable_password(), str(user)) == (
        False,
        False,
        f"A deleted account ({user.public_id})",
    )
    for model in (EmailAddress, Authenticator, SocialAccount, Membership, UserSession):
        assert not model.objects.filter(user=user).exists(), model
    for client in (inside, elsewhere):
        assert client.get(reverse("projects:list")).status_code == 302
    assert log_in(Client(), person).status_code == 200
    subjects = {message.to[0]: [] for message in sent}
    for message in sent:
        subjects[message.to[0]].append(message.subject)
    assert [subject.partition("] ")[2] for subject in subjects[ADA]] == ["Your account was deleted"]
    assert any("Member left: ada@example.com" in subject for subject in subjects[owner.email])
    activity = text(_signed_in(owner).get(page("apikeys:activity", shared)))
    assert f"A deleted account ({user.public_id}) left the project" in activity
    assert ADA not in activity


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_address_can_sign_up_again_as_a_new_account(inside, person):
    inside.post(PAGE, CONFIRMED)
    assert Client().post(SIGN_UP, {"email": ADA, "password1": PASSWORD}).status_code == 302
    assert User.objects.get(email=ADA).pk != person.pk


def test_invitations_and_offers_of_the_person_end_and_events_forget_the_address(person, shared, owner):
    key = create_key(project=shared, name="Billing", by=owner).key
    other = create_key(project=shared, name="Other", by=owner).key
    KeyOffer.objects.create(key=key, to=person, by=owner)
    KeyOffer.objects.create(key=other, to=owner, by=person)
    ends = {"expires_at": timezone.now() + timedelta(days=7), "mailed_digest": b"a" * 32}
    invitation = Invitation.objects.create(project=shared, email="eve@example.com", role=Role.VIEWER, by=person, **ends)
    with transaction.atomic():
        record(key_kinds.OFFERED, key=key, by=owner, address=None, before=ADA)
    delete_account(user=person)
    assert not KeyOffer.objects.exists()
    invitation.refresh_from_db()
    assert invitation.revoked_at
    ended = {key_kinds.OFFER_WITHDRAWN.code, audit_kinds.INVITATION_REVOKED.code}
    assert set(AuditEvent.objects.filter(by=person).values_list("kind", flat=True)) >= ended
    assert AuditEvent.objects.get(kind=key_kinds.OFFERED.code).before == str(User.objects.get(pk=person.pk))


def test_a_deleted_account_cannot_be_deleted_again_or_activated(person, admin, signed_in):
    delete_account(user=person)
    email = User.objects.get(pk=person.pk).email
    delete_account(user=person)
    assert User.objects.get(pk=person.pk).email == email
    assert not reactivate_account(user=person, by=admin)
    client, switch = signed_in(admin), reverse("admin:accounts_user_reactivate", args=[person.pk])
    assert client.post(switch).status_code == 403
    client.post(reverse("admin:accounts_user_change", args=[person.pk]), {"is_staff": "on"})
    assert client.post(reverse("admin:auth_user_password_change", args=[person.pk])).status_code == 403
    shown = text(client.get(reverse("admin:accounts_user_change", args=[person.pk])))
    assert "Deleted by its person on" in shown
    user = User.objects.get(pk=person.pk)
    assert (user.is_active, user.is_staff) == (False, False)


def test_an_email_that_waits_for_the_person_is_not_sent(person):
    enqueue([EmailMessage("News", "…", to=[ADA])], about="prj_x")
    delete_account(user=person)
    assert [email.about for email in Email.objects.all()] == [person.public_id]
    assert not mail.outbox


def test_an_account_that_took_the_address_of_nobody_in_advance_does_not_stop_the_deletion(inside, person):
    taken = f"{person.public_id}@deleted.invalid".lower()
    stranger = UserFactory()
    User.objects.filter(pk=stranger.pk).update(email=taken)
    assert inside.post(PAGE, CONFIRMED)["Location"] == LOGIN
    person.refresh_from_db()
    stranger.refresh_from_db()
    assert person.deleted_at is not None
    assert person.email.endswith("@deleted.invalid")
    assert (person.email != taken, stranger.email) == (True, taken)


@pytest.mark.parametrize("domain", ["deleted.invalid", "Deleted.INVALID", "moving.invalid"])
def test_nobody_can_take_an_address_of_nobody(inside, person, owner, domain):
    """Every way to an address: sign-up, a change of address, an invitation, a command, the admin."""
    wanted = f"{person.public_id}@{domain}"
    shown = text(Client().post(SIGN_UP, {"email": wanted, "password1": PASSWORD}))
    assert f"Addresses of {domain.lower()} are reserved. Use another one." in shown
    assert "are reserved" in text(inside.post(reverse("account_email"), {"email": wanted, "action_add": "1"}))
    for make in (
        lambda: prepare_account(email=wanted),
        lambda: User.objects.create_user(wanted),
        lambda: invite(project=ProjectFactory(created_by=owner), emails=[wanted], role=Role.VIEWER, by=None),
    ):
        with pytest.raises(ValidationError, match="are reserved"):
            make()
    assert UserCreationForm({"email": wanted, "usable_password": "false"}).errors["email"]
    assert not User.objects.filter(email__iexact=wanted).exists()
    assert not EmailAddress.objects.filter(email__iexact=wanted).exists()


def test_an_account_that_was_deleted_is_no_address_to_settle(inside, person):
    inside.post(PAGE, CONFIRMED)
    assert address_clashes.find(User, EmailAddress).refused == []
