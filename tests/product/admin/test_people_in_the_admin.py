"""Invitations and offered keys in the admin: shown without tokens and digests, and ended through the services."""

import html

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.hand_over.models import KeyOffer
from apikeys.hand_over.services import offer
from projects.invitations.models import Invitation
from projects.invitations.services import copy_link
from projects.permissions import Role
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.invitations import invited

pytestmark = pytest.mark.django_db

MODELS = {Invitation: "projects_invitation", KeyOffer: "apikeys_keyoffer"}


@pytest.fixture
def pending(project, owner) -> tuple[Invitation, str]:
    """An invitation, and the token of a link to it."""
    invitation, link = copy_link(invitation=invited(project, owner), by=owner)
    return invitation, link.split("/")[-2]


@pytest.fixture
def offered(api_key, project, owner) -> KeyOffer:
    colleague = MembershipFactory(project=project, user=UserFactory(), role=Role.DEVELOPER).user
    offer(key=api_key, to=colleague, by=owner)
    return KeyOffer.objects.get()


def act(site, row, action: str) -> str:
    page = reverse(f"admin:{MODELS[type(row)]}_changelist")
    answer = site.post(page, {"action": action, "_selected_action": [row.pk]}, follow=True)
    return html.unescape(answer.content.decode())


def test_they_are_shown_without_tokens_digests_and_secrets(signed_in, admin, pending, offered, api_key):
    site, (invitation, token) = signed_in(admin), pending
    invitation.refresh_from_db()
    digests = [bytes(digest) for digest in (invitation.mailed_digest, invitation.link_digest)]
    hidden = [token, api_key.secret]
    hidden += [form for digest in digests for form in (digest.hex(), str(digest), repr(memoryview(digest)))]
    for row, words in ((invitation, "Pending"), (offered, offered.to.email)):
        name = MODELS[type(row)]
        for page in (reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])):
            shown = html.unescape(site.get(page).content.decode())
            assert words in shown
            assert not [part for part in hidden if part in shown]
            assert "digest" not in shown


@pytest.mark.parametrize("column", ["mailed_digest", "link_digest"])
def test_no_filter_tells_a_digest(signed_in, admin, pending, column):
    page = reverse("admin:projects_invitation_changelist")
    assert signed_in(admin).get(page, {f"{column}__gt": "a"}).status_code in {302, 400}


def test_an_invitation_is_revoked_with_its_event(signed_in, admin, project, pending):
    site, (invitation, _) = signed_in(admin), pending
    assert "1 invitation revoked." in act(site, invitation, "revoke")
    invitation.refresh_from_db()
    assert (invitation.revoked_at is None, invitation.mailed_digest, invitation.link_digest) == (False, None, None)
    event = project.audit_events.get(kind="invitation_revoked")
    assert (event.by, event.address) == (admin, "127.0.0.1")
    assert "None of these invitations is pending. Nothing was changed." in act(site, invitation, "revoke")
    assert project.audit_events.filter(kind="invitation_revoked").count() == 1


def test_an_offer_is_withdrawn_with_its_event(signed_in, admin, project, offered):
    assert "1 offer withdrawn." in act(signed_in(admin), offered, "withdraw")
    assert not KeyOffer.objects.exists()
    event = project.audit_events.get(kind="key_offer_withdrawn")
    assert (event.by, event.before) == (admin, offered.to.email)


@pytest.mark.parametrize("codename", ["view_invitation", "add_invitation", "delete_invitation", "change_membership"])
def test_staff_without_the_permission_revoke_nothing(signed_in, pending, codename):
    """T48"""
    staff: User = UserFactory(is_staff=True)
    wanted = {codename, "view_invitation"}
    staff.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    site, (invitation, _) = signed_in(staff), pending
    act(site, invitation, "revoke")
    assert Invitation.objects.pending().exists()
    for page in ("add", "delete", "change"):
        args = [] if page == "add" else [invitation.pk]
        site.post(reverse(f"admin:projects_invitation_{page}", args=args), {"post": "yes", "role": "owner"})
    assert list(Invitation.objects.values_list("role", "revoked_at")) == [("developer", None)]
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_invitation", "change_invitation"]))
    assert "1 invitation revoked." in act(site, invitation, "revoke")


def test_the_list_says_what_became_of_each(signed_in, admin, project, owner, outsider):
    states = {
        "Expired": {"expires_at": timezone.now()},
        "Revoked": {"revoked_at": timezone.now(), "mailed_digest": None},
        f"Accepted by {outsider.email}": {
            "accepted_at": timezone.now(),
            "accepted_by": outsider,
            "mailed_digest": None,
        },
    }
    for number, fields in enumerate(states.values()):
        one = invited(project, owner, f"person-{number}@acme.example")
        Invitation.objects.filter(pk=one.pk).update(**fields)
    page = reverse("admin:projects_invitation_changelist")
    shown = signed_in(admin).get(page).content.decode()
    assert not [words for words in states if words not in shown]
    pending = signed_in(admin).get(page, {"state": "pending"}).content.decode()
    assert "Expired" in pending
    assert "Revoked" not in pending.partition("<tbody>")[2]
