"""H3: an invitation works once, for its address, until it ends."""

import re
from datetime import timedelta
from functools import partial
from urllib.parse import quote

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from common.outbox import senders
from projects.acceptance import acceptance
from projects.acceptance.acceptance import NotInvited
from projects.audit_log.models import AuditEvent
from projects.invitations import services
from projects.invitations.models import Invitation
from projects.invitations.services import InvitationGone
from projects.invitations.tokens import digest_of
from projects.members.memberships import change_member
from projects.models import Membership
from projects.permissions import Role
from projects.services import delete_project
from tests.support.environment import ON_SQLITE
from tests.support.factories import PASSWORD, MembershipFactory, ProjectFactory, UserFactory
from tests.support.people.accounts import LOGIN, NEW_PASSWORD, SIGN_UP, is_signed_in, log_in, mailed_code, page_of
from tests.support.people.invitations import (
    ACCEPT,
    ADDRESS,
    PAGE,
    invited,
    mailed_link,
    open_link,
    path_of,
)
from tests.support.places.pages import text
from tests.support.programs.parallel import rounds_in_parallel
from tests.support.stored.statements import shapes
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

NOT_VALID = "This invitation does not work"
DASHBOARD = "/projects/{}/"
ROUNDS = 3 if ON_SQLITE else 20


@pytest.fixture
def link(project, owner) -> str:
    """The path of the mailed link to ADDRESS, for a developer."""
    invited(project, owner)
    return mailed_link()


@pytest.fixture
def copied(project, owner) -> str:
    """The path of a link to ADDRESS that the owner copied. The email with the other link was sent."""
    invitation = invited(project, owner)
    mailed_link()
    return path_of(services.copy_link(invitation=invitation, by=owner)[1])


def role_of(email, project):
    return project.memberships.filter(user__email=email).values_list("role", flat=True).first()


def is_confirmed(email):
    return EmailAddress.objects.filter(email=email, user__email=email, verified=True).exists()


def assert_not_valid(client, path):
    answer = open_link(client, path)
    assert answer.status_code == 404
    assert NOT_VALID in text(answer)
    return answer


@pytest.mark.parametrize("is_copied", [False, True], ids=["mailed", "copied"])
def test_a_link_does_not_tell_a_stranger_whether_its_address_has_an_account(project, owner, outsider, is_copied):
    """T51: the same words, after the same statements."""
    seen = []
    for email in (outsider.email, "nobody12@example.com"):
        invitation, stranger = invited(project, owner, email), Client()
        path = mailed_link(email)
        if is_copied:
            path = path_of(services.copy_link(invitation=invitation, by=owner)[1])
        with CaptureQueriesContext(connection) as asked:
            shown = open_link(stranger, path)
            answer = stranger.post(ACCEPT)
        seen.append((text(shown).replace(email, "…"), answer.status_code, answer["Location"], shapes(asked)))
    assert seen[0] == seen[1]


# The way of a new person


def test_a_new_person_signs_up_from_the_mailed_link_and_their_address_is_confirmed(link, project, confirmed_by_code):
    """H3"""
    client = Client()
    words = text(open_link(client, link))
    for word in ("Acme Weather", "Developer", "owner@example.com", ADDRESS, "Create account", "Sign in"):
        assert word in words
    for address in (SIGN_UP, LOGIN):
        focused = re.findall(r"<input[^>]* autofocus[^>]*>", page_of(client.get(address, {"next": PAGE})))
        assert len(focused) == 1
        assert 'type="password"' in focused[0], "the email is filled in"
    form = page_of(client.get(SIGN_UP, {"next": PAGE}))
    assert f'value="{ADDRESS}"' in form
    answer = client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    assert answer.headers["Location"] == PAGE
    assert is_confirmed(ADDRESS)
    assert "Accept invitation" in text(client.get(PAGE))
    answer = client.post(ACCEPT)
    assert answer.headers["Location"] == DASHBOARD.format(project.public_id)
    assert role_of(ADDRESS, project) == "developer"
    event = AuditEvent.objects.get(kind="member_joined")
    assert (event.member.email, event.by, event.role) == (ADDRESS, event.member, "developer")
    assert "You are now a developer of Acme Weather." in text(client.get(answer.headers["Location"], follow=True))


def test_a_sign_up_with_an_open_invitation_leads_to_it_whichever_way_the_person_came(link):
    """Also where the person went to the sign-up page by themselves."""
    client = Client()
    open_link(client, link)
    shown = text(client.get(SIGN_UP))
    assert "You come back to the invitation next." in shown
    assert "Your first project" not in shown
    assert client.post(SIGN_UP, {"email": ADDRESS, "password1": PASSWORD}).headers["Location"] == PAGE
    assert "Your first project" in text(Client().get(SIGN_UP))


def test_a_copied_link_confirms_nothing(copied, project, confirmed_by_code, django_capture_on_commit_callbacks):
    """H3: an owner must not get a confirmed account of somebody else's address."""
    client = Client()
    open_link(client, copied)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    assert "confirm-email" in answer.headers["Location"]
    assert not is_confirmed(ADDRESS)
    assert not is_signed_in(client)
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) is None
    # The person confirms the address in the ordinary way, and goes on.
    senders.send_due()
    answer = client.post("/accounts/confirm-email/", {"code": mailed_code()})
    assert (answer.headers["Location"], is_confirmed(ADDRESS)) == (PAGE, True)
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "developer"


def test_a_copied_link_admits_an_account_whose_address_stays_unconfirmed(copied, project):
    client = Client()
    open_link(client, copied)
    client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    client.post(ACCEPT)
    assert (role_of(ADDRESS, project), is_confirmed(ADDRESS)) == ("developer", False)


def test_an_unconfirmed_account_that_is_signed_in_confirms_first_where_addresses_are_confirmed(
    copied, project, signed_in, confirmed_by_code
):
    client = signed_in(UserFactory(email=ADDRESS, password=PASSWORD))
    assert "Confirm the email of your account first." in text(open_link(client, copied))
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) is None
    EmailAddress.objects.update_or_create(user=User.objects.having(ADDRESS), email=ADDRESS, defaults={"verified": True})
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "developer"


def test_a_sign_up_from_an_invitation_is_for_its_address_only(link):
    client = Client()
    open_link(client, link)
    answer = client.post(SIGN_UP, {"email": "other@example.com", "password1": NEW_PASSWORD, "next": PAGE})
    assert f"This invitation is for {ADDRESS}. Create the account with this email." in text(answer)
    assert User.objects.having("other@example.com") is None
    # A sign-up that has nothing to do with the invitation goes on as always.
    client.post(SIGN_UP, {"email": "other@example.com", "password1": NEW_PASSWORD})
    assert User.objects.having("other@example.com")
    assert not is_confirmed("other@example.com")


@pytest.mark.parametrize(("sign_up", "is_offered"), [("invited", True), ("closed", False)])
def test_the_page_offers_an_account_where_the_policy_allows_one(sign_up, is_offered, link, settings):
    settings.SIGN_UP = sign_up
    client = Client()
    words = text(open_link(client, link))
    assert ("Create account" in words) is is_offered
    assert "Sign in" in words
    client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    assert (User.objects.having(ADDRESS) is not None) is is_offered


def test_the_proof_of_a_mailed_link_lasts_an_hour(link, confirmed_by_code, time_machine):
    client = Client()
    open_link(client, link)
    time_machine.move_to(timezone.now() + timedelta(minutes=61))
    client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    assert not is_confirmed(ADDRESS)


# The way of a person who has an account


def test_a_person_who_has_an_account_signs_in_and_accepts(link, project, person):
    client = Client()
    open_link(client, link)
    assert f'value="{ADDRESS}"' in page_of(client.get("/accounts/login/", {"next": PAGE}))
    assert client.post(ACCEPT).headers["Location"] == f"/accounts/login/?next={PAGE}"
    assert log_in(client, person, next=PAGE).headers["Location"] == PAGE
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "developer"
    assert person.has_usable_password()


def test_another_account_reads_both_addresses_and_switches(link, project, person, outsider, signed_in):
    """H3: forwarded."""
    client = signed_in(outsider)
    words = text(open_link(client, link))
    assert f"You are signed in as {outsider.email} . This invitation is for {ADDRESS} ." in words
    assert "Accept invitation" not in words
    assert client.post(ACCEPT).headers["Location"] == PAGE
    with pytest.raises(NotInvited):
        acceptance.accept(digest=digest_of(link.split("/")[2]), by=outsider)
    assert role_of(outsider.email, project) is None
    answer = client.post("/invitations/switch-account/")
    assert answer.headers["Location"] == f"/accounts/login/?next={PAGE}"
    assert not is_signed_in(client)
    assert log_in(client, person, next=PAGE).headers["Location"] == PAGE
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "developer"


def test_a_member_comes_straight_to_the_project_and_keeps_their_role(link, project, person, signed_in):
    """H3: they became one in the meantime, by another release, which did not end the invitation."""
    MembershipFactory(project=project, user=person, role=Role.VIEWER)
    client = signed_in(person)
    assert open_link(client, link).headers["Location"] == DASHBOARD.format(project.public_id)
    before = AuditEvent.objects.count()
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "viewer"
    assert AuditEvent.objects.count() == before
    assert_not_valid(signed_in(person), link)


def test_an_accepted_link_leads_the_person_who_accepted_it_to_the_project(link, project, person, owner, signed_in):
    client = signed_in(person)
    assert ">Not now</a>" in open_link(client, link).content.decode()
    client.post(ACCEPT)
    again = client.get(link)
    assert again.headers["Location"] == DASHBOARD.format(project.public_id)
    assert "You are a member of Acme Weather already." in text(client.get(again.headers["Location"], follow=True))
    in_another_browser = assert_not_valid(signed_in(person), link)
    assert "If you have accepted it already, open your projects." in text(in_another_browser)
    signed_out = assert_not_valid(Client(), link)
    assert "If you have accepted it already, sign in." in text(signed_out)
    assert "Go to your projects" not in text(signed_out)
    change_member(project=project, user=person, role=None, by=owner)
    assert client.get(ACCEPT.removesuffix("accept/")).status_code == 404, (
        "no page leads a removed person to the project"
    )
    assert_not_valid(client, link)


def test_an_account_that_somebody_registered_in_advance_is_taken_from_them(link, project):
    """H3: a thief knows the password, has a session and a passkey, and waits for the address to be confirmed."""
    thief, client = Client(), Client()
    thief.post(SIGN_UP, {"email": ADDRESS, "password1": PASSWORD})
    user = User.objects.having(ADDRESS)
    log_in(client, user, PASSWORD)
    Authenticator.objects.bulk_create([Authenticator(user=user, type="webauthn", data={})])
    assert thief.get("/projects/", follow=True).status_code == 200
    assert "You choose a new password next." in text(open_link(client, link))
    answer = client.post(ACCEPT)
    assert answer.headers["Location"] == "/accounts/password/set/"
    assert (role_of(ADDRESS, project), is_confirmed(ADDRESS)) == ("developer", True)
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert not Authenticator.objects.filter(user=user).exists()
    assert thief.get("/projects/").status_code == 302
    assert client.get("/projects/").status_code == 200
    answer = client.post("/accounts/password/set/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert answer.status_code == 302
    assert log_in(Client(), user, PASSWORD).status_code == 200
    assert log_in(Client(), user, NEW_PASSWORD).status_code == 302


def test_a_double_click_signs_nobody_out(link, project):
    """Both requests have the cookie that the browser had before. The second one leads where the first one led."""
    client, twin = Client(), Client()
    client.post(SIGN_UP, {"email": ADDRESS, "password1": PASSWORD})
    open_link(client, link)
    twin.cookies["sessionid"] = client.cookies["sessionid"].value
    for sender in (client, twin):
        answer = sender.post(ACCEPT)
        while answer.headers["Location"] == PAGE:
            answer = sender.get(PAGE)
        assert answer.headers["Location"] == "/accounts/password/set/"
        assert "sessionid" not in answer.cookies or answer.cookies["sessionid"].value
        assert is_signed_in(sender)
    assert client.get("/projects/").status_code == 200


def test_an_account_with_a_confirmed_address_keeps_everything(link, project, person, signed_in):
    Authenticator.objects.create(user=person, type="webauthn", data={})
    client, other = signed_in(person), signed_in(person)
    open_link(client, link)
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) == "developer"
    assert Authenticator.objects.filter(user=person).count() == 1
    assert other.get("/projects/").status_code == 200


# What does not work


def test_a_link_that_was_used_revoked_or_made_up_has_one_page_without_facts(project, owner, person, signed_in):
    """H3: replayed, revoked, guessed."""
    used, revoked = invited(project, owner), invited(project, owner, "b@example.com")
    paths = [mailed_link(), mailed_link("b@example.com"), f"/invitations/{'0' * 64}/", "/invitations/x/"]
    client = signed_in(person)
    open_link(client, paths[0])
    client.post(ACCEPT)
    services.revoke(invitation=revoked, by=owner)
    used.refresh_from_db()
    assert used.accepted_by == person
    change_member(project=project, user=person, role=None, by=owner)
    before = everything()
    pages = {text(assert_not_valid(Client(), path)) for path in paths}
    assert len(pages) == 1
    assert project.name not in pages.pop()
    for path in paths:
        open_link(client, path)
        assert client.post(ACCEPT).headers["Location"] == PAGE
    assert role_of(ADDRESS, project) is None
    assert everything() == before


def test_an_expired_link_lets_nobody_in_and_asks_for_a_new_one_once_a_day(
    link, project, owner, person, signed_in, time_machine, told
):
    """H3"""
    client = signed_in(person)
    open_link(client, link)
    time_machine.move_to(timezone.now() + timedelta(days=7, seconds=1), tick=False)
    client = signed_in(person)
    words = text(open_link(client, link))
    assert "This invitation has expired" in words
    assert "Ask for a new invitation" in words
    client.post(ACCEPT)
    assert role_of(ADDRESS, project) is None
    [email] = told(client.post, "/invitations/ask/")
    assert email.to == [owner.email]
    assert email.subject == f"[Latchkey] New invitation asked for: {ADDRESS} (Acme Weather)"
    assert f"/projects/{project.public_id}/members/" in email.body
    assert told(client.post, "/invitations/ask/") == []
    assert "The owners were already asked today." in text(client.get(PAGE))
    time_machine.move_to(timezone.now() + timedelta(days=1, minutes=1), tick=False)
    client = signed_in(person)
    open_link(client, link)
    assert len(told(client.post, "/invitations/ask/")) == 1


def test_nobody_asks_for_a_new_invitation_while_the_old_one_works(link, told):
    client = Client()
    open_link(client, link)
    assert told(client.post, "/invitations/ask/") == []
    assert told(Client().post, "/invitations/ask/") == []


def test_an_expired_mailed_link_proves_nothing(link, confirmed_by_code, time_machine):
    time_machine.move_to(timezone.now() + timedelta(days=8))
    client = Client()
    open_link(client, link)
    client.post(SIGN_UP, {"email": ADDRESS, "password1": NEW_PASSWORD, "next": PAGE})
    assert not is_confirmed(ADDRESS)


def test_an_invitation_to_a_deleted_project_or_for_a_deactivated_account_lets_nobody_in(link, project, person, owner):
    digest = digest_of(link.split("/")[2])
    User.objects.filter(pk=person.pk).update(is_active=False)
    with pytest.raises(NotInvited):
        acceptance.accept(digest=digest, by=person)
    User.objects.filter(pk=person.pk).update(is_active=True)
    delete_project(project=project, by=owner)
    with pytest.raises(InvitationGone):
        acceptance.accept(digest=digest, by=person)
    assert_not_valid(Client(), link)


def test_an_account_that_changed_its_address_is_no_longer_invited(link, person, project):
    digest = digest_of(link.split("/")[2])
    User.objects.filter(pk=person.pk).update(email="new@example.com")
    with pytest.raises(NotInvited):
        acceptance.accept(digest=digest, by=person)
    assert not project.memberships.filter(user=person).exists()


# The token


def test_the_token_is_in_no_later_address_no_referer_and_no_log_line(link, lines, project):
    token = link.split("/")[2]
    client = Client()
    answer = client.get(link)
    assert answer.headers["Location"] == PAGE
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    shown = client.get(PAGE)
    assert token not in page_of(shown) + str(shown.headers)
    assert shown.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in shown.headers["Cache-Control"]
    client.get(link + "further/")
    client.post(link)
    client.get(f"/invitations/{token[:20]}/")
    found = lines.getvalue()
    assert "/invitations/••••••••/" in found
    assert not any(token[at : at + 8] in found for at in range(len(token) - 8))
    # Addresses of members' pages are as readable as ever.
    client.get(f"/projects/{project.public_id}/invitations/inv_0000000000000000/resend/")
    assert f"/projects/{project.public_id}/invitations/inv_0000000000000000/resend/" in lines.getvalue()


def test_looking_at_a_link_changes_nothing_but_the_own_session(link):
    before = everything()
    for method in ("get", "head", "options"):
        getattr(Client(), method)(link)
    assert everything() == before


# At once


@pytest.mark.django_db(transaction=True)
def test_eight_who_accept_at_once_make_one_member(transactional_db):
    """H3: raced."""
    rounds = []
    for number in range(ROUNDS):
        project = ProjectFactory()
        owner = MembershipFactory(project=project).user
        user = UserFactory(email=f"racer{number}@example.com")
        _, link = services.copy_link(invitation=invited(project, owner, user.email), by=owner)
        act = partial(acceptance.accept, digest=digest_of(link.split("/")[-2]), by=user)
        rounds.append([act] * 8)
    for answers in rounds_in_parallel(rounds):
        assert sorted(type(answer).__name__ for answer in answers) == ["Accepted", *["InvitationGone"] * 7]
    assert Membership.objects.filter(role="developer").count() == ROUNDS
    assert AuditEvent.objects.filter(kind="member_joined").count() == ROUNDS


@pytest.mark.django_db(transaction=True)
def test_an_invitation_that_is_revoked_while_it_is_accepted_ends_in_one_way(transactional_db):
    """H3: revoked during acceptance, and the inviter removed during acceptance."""
    rounds, projects = [], []
    for number in range(ROUNDS):
        project = ProjectFactory()
        owner, other = (MembershipFactory(project=project).user for _ in range(2))
        user = UserFactory(email=f"racer{number}@example.com")
        invitation = invited(project, other, user.email)
        _, link = services.copy_link(invitation=invitation, by=other)
        accept = partial(acceptance.accept, digest=digest_of(link.split("/")[-2]), by=user)
        end = partial(services.revoke, invitation=invitation, by=owner)
        if number % 2:
            end = partial(change_member, project=project, user=other, role=None, by=owner)
        rounds.append([accept, end])
        projects.append((project, user))
    for (project, user), (accepted, ended) in zip(projects, rounds_in_parallel(rounds), strict=True):
        is_member = project.memberships.filter(user=user).exists()
        invitation = Invitation.objects.get(project=project)
        assert is_member == (type(accepted).__name__ == "Accepted") == (invitation.accepted_at is not None)
        assert is_member or isinstance(accepted, InvitationGone)
        assert not (is_member and ended is None)


@pytest.mark.usefixtures("confirmed_by_code")
def test_the_email_about_an_existing_account_leads_back_to_the_invitation(link, person):
    client = Client()
    open_link(client, link)
    mail.outbox.clear()
    client.post(f"{SIGN_UP}?next={PAGE}", {"email": person.email, "password1": PASSWORD, "next": PAGE})
    [email] = mail.outbox
    assert email.subject == "[Latchkey] You already have an account"
    assert f"/accounts/login/?next={quote(PAGE, safe='')}\n" in email.body
