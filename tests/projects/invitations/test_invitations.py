"""Inviting people: what the service refuses in words, the limits, and what is stored and emailed."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.own_account.deletion import delete_account
from accounts.services import deactivate_account, reactivate_account
from projects.acceptance import acceptance
from projects.audit_log.models import AuditEvent
from projects.invitations import invitation_limits, services
from projects.invitations.ended_invitations import delete_old_invitations
from projects.invitations.models import Invitation
from projects.invitations.services import InvitationGone
from projects.invitations.tokens import digest_of, find
from projects.locks import NoLongerAllowed, ProjectGone
from projects.members.memberships import change_member
from projects.permissions import Role
from projects.services import delete_project
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.invitations import ADDRESS, invited, mailed_link
from tests.support.programs.parallel import in_parallel
from tests.support.stored.statements import shapes
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def invite(project, owner):
    """Invites as the owner of `project`: `invite(["ada@example.com"])`."""
    return partial(services.invite, project=project, role=Role.VIEWER, by=owner)


def refusal(act, *words, **arguments):
    with pytest.raises(ValidationError) as caught:
        act(*words, **arguments)
    return caught.value.messages


def token_of(path):
    return path.split("/")[2]


def test_the_invited_person_gets_a_link_and_every_owner_gets_news(project, owner, viewer, invite, told):
    """T49: nobody can switch the owners' email off."""
    second = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    found = told(invite, emails=["Ada@EXAMPLE.com"])
    assert sorted(message.to[0] for message in found) == sorted([ADDRESS, owner.email, second.email])
    [email] = [message for message in found if message.to == [ADDRESS]]
    assert email.subject == "[Latchkey] Invitation to the project Acme Weather"
    for line in ("Project: Acme Weather", f"Invited by: {owner.email}", f"For: {ADDRESS}"):
        assert f"{line}\n" in email.body
    assert "as a viewer" in email.body
    assert f"until {timezone.now() + services.LIFETIME:%-d %B %Y}" in email.body
    [news] = [message for message in found if message.to == [owner.email]]
    assert f"\nPerson: {ADDRESS}\nRole: Viewer\n" in news.body
    assert "Before:" not in news.body
    assert f"/projects/{project.public_id}/members/\n" in news.body
    [invitation] = Invitation.objects.all()
    assert (invitation.email, invitation.role, invitation.by) == (ADDRESS, "viewer", owner)
    event = AuditEvent.objects.get(kind="invited")
    assert (event.before, event.role, event.by) == (ADDRESS, "viewer", owner)


def test_names_are_one_line_each_and_change_nothing_else_in_the_email(project, owner, told):
    project.name, owner.name = "A & <b>B</b>", "Grace\r\nBcc: evil@example.com"
    project.save()
    owner.save()
    found = told(services.invite, project=project, emails=[ADDRESS], role=Role.VIEWER, by=owner)
    [email] = [message for message in found if message.to == [ADDRESS]]
    assert "Project: A & <b>B</b>\n" in email.body
    assert f"Invited by: Grace Bcc: evil@example.com ({owner.email})\n" in email.body
    assert email.recipients() == [ADDRESS]
    assert "\n" not in email.subject


def test_several_people_who_are_invited_at_once_are_one_email_to_each_owner(project, owner, told):
    second = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    emails = [f"person{number}@example.com" for number in range(3)]
    found = told(services.invite, project=project, emails=emails, role=Role.VIEWER, by=owner)
    to_owners = {message.to[0]: message for message in found if message.to[0] not in emails}
    assert len(found) == len(emails) + len(to_owners)
    assert set(to_owners) == {owner.email, second.email}
    for message in to_owners.values():
        assert message.subject == "[Latchkey] Invited: 3 people (Acme Weather)"
        assert "".join(f"Person: {email}\n" for email in emails) in message.body
        assert message.body.count("Role: Viewer\n") == 1


def test_only_digests_of_tokens_are_stored(project, owner, told):
    told(invited, project, owner)
    token = token_of(mailed_link())
    _, link = services.copy_link(invitation=Invitation.objects.get(), by=owner)
    stored = str(everything())
    for text in (token, link.split("/")[-2]):
        assert len(text) == 64
        assert text not in stored
        assert find(digest_of(text)) is not None


def test_every_fault_is_said_at_once(invite, viewer):
    emails = ["nobody", "owner@example.com", viewer.email, "ada@example.com", "ada@example.com"]
    assert refusal(invite, emails=emails) == [
        "nobody: Enter a valid email address.",
        "ada@example.com is entered twice.",
        "owner@example.com is your own address.",
        "viewer@example.com is a member already.",
    ]


@pytest.mark.parametrize(
    ("emails", "said"),
    [
        ([], ["Enter an email address."]),
        (["owner@example.com"], ["owner@example.com is your own address."]),
        (["Viewer@Example.com"], ["viewer@example.com is a member already."]),
        (["ada@example.com", "ADA@example.com"], ["ada@example.com is entered twice."]),
        (["Bcc:", "ada@example.com"], ["Bcc: Enter a valid email address."]),
        (["nobody", "ada@example.com"], ["nobody: Enter a valid email address."]),
        (["pending@example.com"], ["pending@example.com is invited already. To email the link again, use Resend."]),
        (
            [f"person{number}@example.com" for number in range(10_000)],
            ["A project can invite 20 people a day. You entered 10,000 addresses."],
        ),
    ],
)
def test_a_fault_in_one_address_is_said_and_nobody_is_invited(emails, said, invite, owner, viewer):
    invite(emails=["pending@example.com"])
    before = everything()
    assert refusal(invite, emails=emails) == said
    if emails:
        assert said[0] in refusal(invite, emails=["good@example.com", *emails[:19]]) or len(emails) > 20
    assert everything() == before


def test_an_address_that_no_account_may_have_is_not_invited(invite, outsider, settings):
    """Also if an account has it, so that the answer tells nobody so."""
    settings.SIGN_UP_DOMAINS = ["acme.com"]
    for email in (outsider.email, "nobody@example.com"):
        assert refusal(invite, emails=[email]) == [
            f"{email}: Use an address of acme.com. Others are not allowed on this server."
        ]
    assert invite(emails=["ada@acme.com"])


def test_no_answer_tells_whether_an_address_has_an_account(owner, outsider, invite):
    """T51: outsider@example.com has one. Both cost the same work."""
    statements = []
    for email in (outsider.email, "nobody12@example.com"):
        with CaptureQueriesContext(connection) as asked:
            [invitation] = invite(emails=[email])
            services.resend(invitation=invitation, by=owner)
            services.copy_link(invitation=invitation, by=owner)
        statements.append(shapes(asked))
    assert statements[0] == statements[1]
    one, two = Invitation.objects.order_by("pk").values("role", "by", "accepted_at", "accepted_by", "revoked_at")
    assert one == two


def test_a_project_sends_20_invitations_in_24_hours(project, owner, invite, time_machine):
    invite(emails=[f"person{number}@example.com" for number in range(19)])
    one = Invitation.objects.first()
    services.resend(invitation=one, by=owner)
    said = "A project can send 20 invitations in 24 hours. This one has sent 20. Try again tomorrow."
    for act in (partial(invite, emails=[ADDRESS]), partial(services.resend, invitation=one, by=owner)):
        assert refusal(act) == [said]
    assert services.copy_link(invitation=one, by=owner), "a copied link emails nobody"
    services.create_link(project=project, email="operators@example.com", role=Role.VIEWER)
    time_machine.move_to(timezone.now() + timedelta(hours=24, minutes=1))
    assert invite(emails=[ADDRESS])


def test_copied_links_use_up_no_invitation_and_have_a_bound_of_their_own(
    project, owner, invite, monkeypatch, time_machine
):
    """In a project, whoever copies; and by a person, in whichever project."""
    monkeypatch.setattr(invitation_limits, "MOST_COPIES_A_DAY", 30)
    second = MembershipFactory(project=project).user
    [one] = invite(emails=[ADDRESS])
    for by in (owner, second) * 15:
        services.copy_link(invitation=one, by=by)
    said = "A project or a person can copy 30 invitation links in 24 hours. Try again tomorrow."
    for by in (owner, second):
        assert refusal(services.copy_link, invitation=one, by=by) == [said]
    assert invite(emails=[f"person{number}@example.com" for number in range(19)])
    elsewhere = invited(MembershipFactory(user=owner).project, owner)
    for _ in range(15):
        services.copy_link(invitation=elsewhere, by=owner)
    assert refusal(services.copy_link, invitation=elsewhere, by=owner) == [said]
    time_machine.move_to(timezone.now() + timedelta(hours=24, minutes=1))
    assert services.copy_link(invitation=one, by=owner)


def test_a_person_sends_few_invitations_whatever_they_own(owner, project, monkeypatch):
    monkeypatch.setattr(invitation_limits, "MOST_A_DAY_BY_ONE", 2)
    others = [MembershipFactory(user=owner).project for _ in range(2)]
    for place in others:
        invited(place, owner)
    assert refusal(invited, project, owner) == ["You can send 2 invitations in 24 hours. Try again tomorrow."]


def test_a_project_has_a_limit_of_pending_invitations(invite, owner, monkeypatch, time_machine):
    monkeypatch.setattr(invitation_limits, "MOST_PENDING", 1)
    [one] = invite(emails=[ADDRESS])
    said = "A project can have 1 pending invitations. Revoke some that are no longer needed."
    assert refusal(invite, emails=["other@example.com"]) == [said]
    time_machine.move_to(timezone.now() + timedelta(days=8))
    invite(emails=[ADDRESS])
    services.revoke(invitation=one, by=owner)
    assert invite(emails=["other@example.com"])


def test_inviting_again_renews_an_expired_invitation(project, owner, invite, time_machine):
    invited(project, owner, role=Role.OWNER)
    first = mailed_link()
    time_machine.move_to(timezone.now() + timedelta(days=8))
    invite(emails=[ADDRESS])
    [invitation] = Invitation.objects.all()
    assert invitation.role == "viewer"
    assert not invitation.is_expired(timezone.now())
    assert find(digest_of(token_of(first))) is None
    assert find(digest_of(token_of(mailed_link()))) == invitation


def test_a_new_token_replaces_the_former_one_of_its_kind_alone(project, owner):
    invitation = invited(project, owner)
    mailed = mailed_link()
    _, link = services.copy_link(invitation=invitation, by=owner)
    services.resend(invitation=invitation, by=owner)
    assert find(digest_of(token_of(mailed))) is None
    assert find(digest_of(link.split("/")[-2])) == invitation
    services.copy_link(invitation=invitation, by=owner)
    assert find(digest_of(link.split("/")[-2])) is None
    assert find(digest_of(token_of(mailed_link()))) == invitation


def test_an_invitation_is_worth_as_much_as_its_inviter(project, owner):
    """H3: an owner who is removed, or gets another role, does not come back by an own invitation."""
    second = MembershipFactory(project=project).user
    invitation = invited(project, second)
    mailed = digest_of(token_of(mailed_link()))
    change_member(project=project, user=second, role=Role.DEVELOPER, by=owner)
    assert find(mailed) is None
    with pytest.raises(InvitationGone):
        services.copy_link(invitation=invitation, by=owner)
    change_member(project=project, user=second, role=Role.OWNER, by=owner)
    assert find(mailed) is None


def demoted(project, user):
    change_member(project=project, user=user, role=Role.DEVELOPER, by=None)


def removed(project, user):
    change_member(project=project, user=user, role=None, by=None)


def left(project, user):
    change_member(project=project, user=user, role=None, by=user)


def deactivated(project, user):
    deactivate_account(user=user, by=None)


def deleted(project, user):
    delete_account(user=user)


@pytest.mark.parametrize("lose", [demoted, removed, left, deactivated, deleted])
def test_the_links_of_an_inviter_who_lost_the_right_stay_dead_when_it_comes_back(lose, project, owner):
    """H3: the mailed and the copied link. Each invitation that ends leaves an event; others stay."""
    second = MembershipFactory(project=project).user
    invitation, other = invited(project, second), invited(project, owner, "other@example.com")
    links = [token_of(mailed_link()), services.copy_link(invitation=invitation, by=second)[1].split("/")[-2]]
    lose(project, second)
    event = AuditEvent.objects.get(kind="invitation_revoked")
    assert (event.before, event.by) == (ADDRESS, second if lose in (left, deleted) else None)
    if lose is not deleted:
        reactivate_account(user=second, by=None)
        change_member(project=project, user=second, role=Role.OWNER, by=None)
    assert [find(digest_of(link)) for link in links] == [None, None]
    assert list(Invitation.objects.pending()) == [other]


def test_an_old_link_gives_no_role_to_a_person_who_came_in_another_way_and_was_removed(project, owner):
    """H3: invited as an owner, added as a viewer by an operator, then removed."""
    invitation, other = invited(project, owner, role=Role.OWNER), invited(project, owner, "other@example.com")
    link = digest_of(token_of(mailed_link()))
    person = UserFactory(email=ADDRESS)
    change_member(project=project, user=person, role=Role.VIEWER, by=None)
    assert find(link) is None
    event = AuditEvent.objects.get(kind="invitation_revoked")
    assert (event.before, event.by, event.role) == (ADDRESS, None, "owner")
    change_member(project=project, user=person, role=None, by=owner)
    with pytest.raises(InvitationGone):
        acceptance.accept(digest=link, by=person)
    with pytest.raises(InvitationGone):
        services.resend(invitation=invitation, by=owner)
    assert list(Invitation.objects.pending()) == [other]


@pytest.mark.parametrize("by_themselves", [True, False])
def test_an_invitation_that_another_release_left_pending_ends_when_its_person_goes(by_themselves, project, owner):
    invited(project, owner, role=Role.OWNER)
    person = MembershipFactory(project=project, user=UserFactory(email=ADDRESS), role=Role.VIEWER).user
    change_member(project=project, user=person, role=None, by=person if by_themselves else owner)
    assert not Invitation.objects.pending().exists()


def test_nothing_is_done_for_a_person_who_may_no_longer_invite_or_for_what_is_gone(project, owner, viewer, outsider):
    invitation = invited(project, owner)
    for by in (viewer, outsider):
        for act in (services.resend, services.copy_link, services.revoke):
            with pytest.raises(NoLongerAllowed):
                act(invitation=invitation, by=by)
        with pytest.raises(NoLongerAllowed):
            invited(project, by, "new@example.com")
    services.revoke(invitation=invitation, by=owner)
    for act in (services.resend, services.copy_link, services.revoke):
        with pytest.raises(InvitationGone):
            act(invitation=invitation, by=owner)
    other = invited(project, owner)
    delete_project(project=project, by=owner)
    with pytest.raises(ProjectGone):
        services.resend(invitation=other, by=owner)
    assert find(other.mailed_digest) is None


@pytest.mark.django_db(transaction=True)
def test_a_limit_holds_for_invitations_that_are_sent_at_once(transactional_db, project, owner, monkeypatch):
    monkeypatch.setattr(invitation_limits, "MOST_A_DAY", 3)
    answers = in_parallel([partial(invited, project, owner, f"person{number}@example.com") for number in range(8)])
    assert sum(isinstance(answer, ValidationError) for answer in answers) == 5
    assert Invitation.objects.count() == AuditEvent.objects.filter(kind="invited").count() == 3


def test_housekeeping_deletes_what_ended_30_days_ago(project, owner, viewer):
    now = timezone.now()
    old, recent = now - timedelta(days=31), now - timedelta(days=29)
    kept = []
    for at in (old, recent):
        for number, fields in enumerate(
            ({"expires_at": at}, {"accepted_at": at, "accepted_by": viewer}, {"revoked_at": at})
        ):
            row = {"expires_at": now, "email": f"p{number}-{at:%d}@example.com", "role": "viewer", **fields}
            invitation = Invitation.objects.create(project=project, by=owner, **row)
            if at == recent:
                kept.append(invitation.pk)
    list(delete_old_invitations(now))
    assert sorted(Invitation.objects.values_list("pk", flat=True)) == kept


def test_an_invited_address_with_another_role_reads_how_to_change_the_role(invite):
    invite(emails=["pending@example.com"], role=Role.VIEWER)
    [said] = refusal(invite, emails=["pending@example.com"], role=Role.OWNER)
    assert "is invited as a viewer already. To change the role, revoke the invitation and invite again." in said
