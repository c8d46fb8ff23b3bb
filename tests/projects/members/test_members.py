"""Each change of a membership leaves one event, and one email to the person and to each owner, by page, command and
admin.
"""

import itertools
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from projects.audit_log.models import AuditEvent
from projects.locks import NoLongerAllowed
from projects.members.memberships import change_member, let_in, manage_member
from projects.models import Membership, Project
from projects.permissions import Role
from projects.services import choose_mails, delete_project
from tests.support.environment import ON_SQLITE
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.people.emails import ALL
from tests.support.programs.parallel import rounds_in_parallel

pytestmark = pytest.mark.django_db

NO_MAILS = dict.fromkeys(ALL, False)
# Two tests of so many rounds; SQLite lets one transaction write at a time.
ROUNDS = 20 if ON_SQLITE else 150
# Of a change that two people make at once.
FEW = 20


def events():
    found = AuditEvent.objects.exclude(member=None).order_by("pk")
    return [(event.kind, event.member, event.role, event.by) for event in found]


def addressees(messages):
    return sorted(address for message in messages for address in message.to)


@pytest.fixture
def second(project):
    """A second owner. Both owners have switched off every optional email."""
    user = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    for person in (user, project.created_by):
        choose_mails(project=project, by=person, choice=NO_MAILS)
    return user


def test_who_creates_a_project_gets_no_email_about_it(outsider, signed_in, told):
    """T49, by page: the event is there."""
    found = told(signed_in(outsider).post, reverse("projects:create"), {"name": "Tides"})
    assert events() == [("member_added", outsider, "owner", outsider)]
    assert AuditEvent.objects.get().address == "127.0.0.1"
    assert found == []


def test_the_owner_of_a_project_made_by_a_command_gets_an_email(outsider, told):
    """T49: by command."""
    found = told(call_command, "createproject", "Tides", "--owner", outsider.email)
    assert events() == [("member_added", outsider, "owner", None)]
    assert addressees(found) == [outsider.email]
    assert "By: an operator of this server" in found[0].body


def test_every_change_in_the_admin_leaves_one_event_and_one_email_each(
    project, owner, second, outsider, admin, signed_in, told
):
    """T49: by admin; this includes owners who have switched off every optional email."""
    site, everybody = signed_in(admin), sorted([owner.email, second.email, outsider.email])
    fields = {"project": project.pk, "user": outsider.pk}
    added = told(site.post, reverse("admin:projects_membership_add"), {**fields, "role": "viewer"})
    row = project.memberships.get(user=outsider)
    page, deletion = (reverse(f"admin:projects_membership_{name}", args=[row.pk]) for name in ("change", "delete"))
    changed = told(site.post, page, {"role": "owner"})
    again = told(site.post, page, {"role": "owner"})
    removed = told(site.post, deletion, {"post": "yes"})
    assert [addressees(found) for found in (added, changed, again, removed)] == [everybody, everybody, [], everybody]
    assert events() == [
        ("member_added", outsider, "viewer", admin),
        ("member_changed", outsider, "owner", admin),
        ("member_removed", outsider, "owner", admin),
    ]
    email = added[0]
    assert email.subject == "[Latchkey] Member added: outsider@example.com (Acme Weather)"
    for line in ("Project: Acme Weather", "Person: outsider@example.com", "Role: Viewer", "By: admin@example.com"):
        assert f"{line}\n" in email.body
    assert "You get this email because you are this person, or because you own the project." in email.body


def test_owners_read_how_to_undo_a_change_and_the_person_whom_to_ask(project, owner, second, outsider, told, settings):
    """Owners get the address of the Members page. The person gets one email, which names the owners, and has the
    address only while the person may see that page.
    """
    page = f"{settings.BASE_URL}/projects/{project.public_id}/members/"
    change = partial(change_member, project=project, user=outsider)
    undone = [
        (told(change, role=Role.VIEWER, by=second), "remove the person on the project's Members page."),
        (told(change, role=Role.OWNER, by=second), "choose another role for the person on the project's Members page."),
        (told(change, role=None, by=second), "invite the person again on the project's Members page."),
        (told(let_in, project=project, user=outsider, role=Role.VIEWER), "remove the person on the project's Members"),
        (told(change, role=None, by=outsider), "If they deleted their account, they need a new one."),
    ]
    leaves = [False, False, True, False, True]
    for (found, how), has_left in zip(undone, leaves, strict=True):
        assert addressees(found) == sorted([owner.email, second.email, outsider.email])
        for email in found:
            words = " ".join(email.body.split())
            to_owner = email.to != [outsider.email]
            assert (how in words, f"\n{page}\n" in email.body) == (to_owner, to_owner or not has_left)
            assert (f"Owners: {owner.email}, {second.email}\n" in email.body) != to_owner
            assert ("owners above" in words or "leave the project" in words) != to_owner


def test_a_membership_keeps_its_person_and_its_project(project, owner, second, outsider, admin, signed_in):
    row = project.memberships.get(user=second)
    page = reverse("admin:projects_membership_change", args=[row.pk])
    elsewhere = outsider.memberships.get().project
    signed_in(admin).post(page, {"user": outsider.pk, "project": elsewhere.pk, "role": "viewer"})
    row.refresh_from_db()
    assert (row.user, row.project, row.role) == (second, project, "viewer")


def test_activity_tells_of_members(project, owner, second, outsider, signed_in):
    for role in (Role.VIEWER, Role.OWNER, None):
        change_member(project=project, user=outsider, role=role, by=owner, address="203.0.113.7")
    page = signed_in(owner).get(reverse("apikeys:activity", args=[project.public_id])).content.decode()
    by, who = f"<strong>{owner.email}</strong>", f"<strong>{outsider.email}</strong>"
    for words in (
        f"{by} added {who} as a viewer",
        f"{by} changed the role of {who} from <strong>Viewer</strong> to <strong>Owner</strong>",
        f"{by} removed {who}",
    ):
        assert words in page


def test_a_changed_role_leaves_the_role_before_and_after_in_the_audit_log_and_in_the_emails(
    project, owner, outsider, told
):
    change_member(project=project, user=outsider, role=Role.DEVELOPER, by=owner)
    found = told(change_member, project=project, user=outsider, role=Role.VIEWER, by=owner)
    event = AuditEvent.objects.get(kind="member_changed")
    assert (event.role, event.before, event.after) == ("viewer", "Developer", "Viewer")
    assert len(found) == 2
    for message in found:
        assert "Before: Developer\nAfter: Viewer\n" in message.body
        assert "Role:" not in message.body


def test_an_event_of_the_release_before_says_the_new_role_alone(project, owner, outsider, signed_in):
    AuditEvent.objects.create(project=project, kind="member_changed", member=outsider, role="viewer", by=owner)
    page = signed_in(owner).get(reverse("apikeys:activity", args=[project.public_id])).content.decode()
    assert f"<strong>{owner.email}</strong> made <strong>{outsider.email}</strong> a viewer" in page


def test_a_deactivated_owner_gets_no_news_of_others_but_of_themselves(project, owner, outsider, told):
    gone = MembershipFactory(project=project, user=UserFactory(email="gone@example.com", is_active=False)).user
    change = partial(change_member, project=project, by=owner)
    assert addressees(told(change, user=outsider, role=Role.VIEWER)) == sorted([owner.email, outsider.email])
    assert addressees(told(change, user=gone, role=None)) == sorted([owner.email, gone.email])


def test_nobody_is_let_into_a_deleted_project(project, owner, outsider, admin, signed_in):
    delete_project(project=project, by=owner)
    fields = {"project": project.pk, "user": outsider.pk, "role": "viewer"}
    page = signed_in(admin).post(reverse("admin:projects_membership_add"), fields).content.decode()
    assert "This project was deleted. Choose another one." in page
    row = project.memberships.get()
    for name in ("change", "delete"):
        answer = signed_in(admin).post(reverse(f"admin:projects_membership_{name}", args=[row.pk]), {"post": "yes"})
        assert answer.status_code == 403
    assert list(project.memberships.all()) == [row]


def owned_twice(number):
    """Projects that the same two people own, and the two."""
    one, two = UserFactory(), UserFactory()
    projects = Project.objects.bulk_create(Project(name=f"Project {n}", created_by=one) for n in range(number))
    Membership.objects.bulk_create(
        Membership(project=project, user=user) for project in projects for user in (one, two)
    )
    return projects, one, two


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [manage_member, change_member], ids=["on the page", "in the admin"])
def test_two_owners_who_remove_or_demote_each_other_leave_one(change, transactional_db):
    """H2, T49: every round leaves one owner, whoever does what to whom, and only one of the two succeeds."""
    projects, one, two = owned_twice(ROUNDS)
    ways = list(itertools.product([None, Role.DEVELOPER, Role.VIEWER], repeat=2))
    rounds = [
        [
            partial(change, project=project, user=two, role=first, by=one),
            partial(change, project=project, user=one, role=second, by=two),
        ]
        for project, (first, second) in zip(projects, itertools.cycle(ways), strict=False)
    ]
    for answers in rounds_in_parallel(rounds):
        [error] = [answer for answer in answers if not isinstance(answer, AuditEvent)]
        assert isinstance(error, NoLongerAllowed if change is manage_member else ValidationError)
    owners = Membership.objects.filter(role=Role.OWNER)
    assert owners.values("project").distinct().count() == owners.count() == Project.objects.count() == ROUNDS


@pytest.mark.django_db(transaction=True)
def test_a_change_that_two_people_make_at_once_is_one_change(transactional_db):
    """T49: the person with the stale page changes nothing and leaves no second event."""
    rounds = []
    for _ in range(FEW):
        project = ProjectFactory()
        owner, viewer = (MembershipFactory(project=project, role=role).user for role in (Role.OWNER, Role.VIEWER))
        rounds.append([partial(change_member, project=project, user=viewer, role=None, by=owner)] * 2)
    assert all(sorted(map(bool, answers)) == [False, True] for answers in rounds_in_parallel(rounds))
    assert AuditEvent.objects.filter(kind="member_removed").count() == FEW
