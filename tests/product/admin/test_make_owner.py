"""Projects whose owners are all deactivated are listed in the admin, and get another owner there."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from projects.audit_log.models import AuditEvent
from projects.models import Project
from projects.services import delete_project
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

LIST = "admin:projects_project_changelist"


@pytest.fixture
def site(admin, signed_in):
    return signed_in(admin)


def make_owner(project):
    return reverse("admin:projects_project_make_owner", args=[project.pk])


def listed(site):
    page = site.get(reverse(LIST), {"active_owner": "none"})
    return set(page.context["cl"].queryset)


def test_an_admin_deactivates_the_last_owner_and_finds_the_project(site, project, owner, viewer, outsider):
    bereft = ProjectFactory(name="Deleted account")
    MembershipFactory(project=bereft, user=UserFactory(email="gone@example.com"))
    User.objects.filter(email="gone@example.com").update(deleted_at=bereft.created_at)
    ended = ProjectFactory(name="Deleted project")
    delete_project(project=ended, by=None)
    assert listed(site) == {bereft}
    page = reverse("admin:accounts_user_deactivate", args=[owner.pk])
    assert "Projects that have no other active owner" in text(site.get(page))
    site.post(page)
    owner.refresh_from_db()
    assert not owner.is_active
    assert listed(site) == {bereft, project}
    assert set(Project.objects.without_active_owner()) == {bereft, project}
    assert "None. Make owner…" in text(site.get(reverse("admin:projects_project_change", args=[project.pk])))


@pytest.mark.parametrize("who", ["member", "address", "id"])
def test_make_owner_takes_a_member_or_any_active_account(who, site, admin, project, owner, viewer, outsider, told):
    """T49: by admin: one event, and an email to the person and to the owners, of whom none can read it here."""
    User.objects.filter(pk=owner.pk).update(is_active=False)
    person = viewer if who == "member" else outsider
    value = {"member": {"member": viewer.pk}, "address": {"account": "OUTSIDER@example.com"}}
    mails = told(site.post, make_owner(project), value.get(who, {"account": outsider.public_id}))
    assert project.memberships.get(user=person).role == "owner"
    event = AuditEvent.objects.exclude(member=None).get()
    assert (event.member, event.role, event.by) == (person, "owner", admin)
    assert [mail.to for mail in mails] == [[person.email]]
    assert listed(site) == set()
    again = site.post(make_owner(project), {"account": person.email}, follow=True)
    assert f"The account {person.email} is an owner already. Nothing was changed." in text(again)


def test_nobody_else_is_made_an_owner(site, project, owner, viewer, outsider):
    User.objects.filter(pk__in=[viewer.pk, outsider.pk]).update(is_active=False)
    for wrong in ({}, {"member": viewer.pk}, {"account": outsider.email}, {"account": "nobody"}):
        assert site.post(make_owner(project), wrong).status_code == 200
    assert [member.user for member in project.memberships.filter(role="owner")] == [owner]
    delete_project(project=project, by=owner)
    assert site.get(make_owner(project)).status_code == 404


def test_staff_need_the_permissions_for_memberships_and_do_not_let_themselves_in(project, outsider, signed_in):
    staff = UserFactory(email="staff@example.com", is_staff=True)
    client, sent = signed_in(staff), {"account": outsider.email}
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_project", "view_project"]))
    assert client.post(make_owner(project), sent).status_code == 403
    staff.user_permissions.add(*Permission.objects.filter(codename__in=["add_membership", "change_membership"]))
    assert "Ask a superuser to do it." in text(client.post(make_owner(project), {"account": staff.email}))
    assert client.post(make_owner(project), sent).status_code == 302
    assert set(project.memberships.values_list("user__email", flat=True)) == {"owner@example.com", outsider.email}
