"""A page of the admin that was open while somebody else made a change: it undoes nothing, and says why."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from projects.members.memberships import change_member
from projects.models import Membership
from projects.permissions import Role
from projects.services import rename_project

pytestmark = pytest.mark.django_db


class Fields(HTMLParser):
    """What a browser sends for a page as it is: its inputs, and what is selected in it."""

    def __init__(self, page):
        super().__init__()
        self.sent, self.select = {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "select":
            self.select = given.get("name")
        if tag == "option" and "selected" in given and self.select:
            self.sent.setdefault(self.select, []).append(given["value"])
        is_left_out = given.get("type") in {"submit", "checkbox"} and "checked" not in given
        if tag == "input" and given.get("name") and not is_left_out:
            self.sent.setdefault(given["name"], []).append(
                given.get("value", "on" if given.get("type") == "checkbox" else "")
            )

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None


@pytest.fixture
def site(signed_in, admin):
    return signed_in(admin)


def opened(site, page):
    """The fields of the page as it is now, and the page's address."""
    address = reverse(f"admin:{page[0]}_change", args=[page[1].pk])
    return address, Fields(site.get(address).content.decode()).sent


def said(answer):
    return "Somebody changed this in the meantime" in answer.content.decode()


@pytest.mark.parametrize("page", ["project", "membership"])
def test_no_role_is_undone(page, site, project, owner, viewer):
    row = project.memberships.get(user=viewer)
    address, sent = opened(site, ("projects_project", project) if page == "project" else ("projects_membership", row))
    change_member(project=project, user=viewer, role=Role.DEVELOPER, by=owner)
    answer = site.post(address, sent)
    assert answer.status_code == 200
    assert said(answer)
    assert Membership.objects.get(user=viewer).role == "developer"


def test_a_page_that_is_up_to_date_is_saved(site, project, viewer):
    row = project.memberships.get(user=viewer)
    address, sent = opened(site, ("projects_membership", row))
    assert site.post(address, sent | {"role": "owner"}).status_code == 302
    assert Membership.objects.get(user=viewer).role == "owner"
    address, sent = opened(site, ("projects_project", project))
    assert site.post(address, sent | {"name": "Other"}).status_code == 302
    project.refresh_from_db()
    assert project.name == "Other"


def test_no_name_of_a_project_is_undone(site, project, owner):
    address, sent = opened(site, ("projects_project", project))
    rename_project(project=project, name="Renamed", by=owner)
    assert said(site.post(address, sent))
    project.refresh_from_db()
    assert project.name == "Renamed"


def test_no_right_and_no_name_of_an_account_is_undone(site, owner):
    address, sent = opened(site, ("accounts_user", owner))
    group = Group.objects.create(name="Support")
    owner.groups.add(group)
    owner.name, owner.is_staff = "Ada", True
    owner.save()
    assert said(site.post(address, sent))
    owner.refresh_from_db()
    assert (owner.name, owner.is_staff, list(owner.groups.all())) == ("Ada", True, [group])
    address, sent = opened(site, ("accounts_user", owner))
    owner.groups.clear()
    assert said(site.post(address, sent))
    assert not owner.groups.exists()
    address, sent = opened(site, ("accounts_user", owner))
    assert site.post(address, sent | {"first_name": "Ada"}).status_code == 302
