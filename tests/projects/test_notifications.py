"""The page on which a person chooses emails for all their projects, and how projects of one name are told apart."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from projects.audit_log.models import AuditEvent
from projects.models import Membership, Project
from projects.permissions import Role
from projects.services import MAIL_KINDS
from tests.support.factories import MembershipFactory, ProjectFactory
from tests.support.people.confirmation import asks
from tests.support.people.sessions import age
from tests.support.places.pages import page, text
from tests.support.stored.rows import many_projects

pytestmark = pytest.mark.nodb

PAGE = reverse("projects:notifications")


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def shown(answer: Any) -> list[str]:
    return re.findall(r'id="mails-(prj_\w{16})"', answer.content.decode())


def checked(project: Project, *kinds: str) -> dict[str, Any]:
    """What the form sends of one project."""
    return {"project": project.public_id} | {f"{project.public_id}-{kind}": "on" for kind in kinds}


def test_a_person_chooses_for_each_project_in_which_their_role_gets_emails(client, owner, project):
    """No script is needed. One press saves every project of the page, and only changes are events."""
    second, third, fourth = (ProjectFactory(name=name) for name in ("Billing", "Chat", "Depot"))
    for other, role in ((second, Role.DEVELOPER), (third, Role.VIEWER), (fourth, Role.OWNER)):
        MembershipFactory(project=other, user=owner, role=role)
    assert shown(client.get(PAGE)) == [project.public_id, second.public_id, fourth.public_id]
    named = [project.public_id, second.public_id, fourth.public_id]
    as_it_was = [kind for kind in MAIL_KINDS if getattr(Membership.objects.get(project=fourth), f"mail_{kind}")]
    sent = checked(project, "deleted") | checked(second, "created") | checked(fourth, *as_it_was) | {"project": named}
    answer = client.post(f"{PAGE}?page=1", sent, follow=True)
    assert answer.redirect_chain == [(f"{PAGE}?page=1", 302)]
    assert "Notification settings saved." in text(answer)
    own = {m.project: (m.mail_created, m.mail_deleted) for m in Membership.objects.filter(user=owner)}
    assert own == {project: (False, True), second: (True, False), third: (True, True), fourth: (True, True)}
    content = answer.content.decode()
    assert content.count(">Save</button>") == 1
    assert f'id="mail-{second.public_id}-created" checked' in content
    assert f'id="mail-{second.public_id}-deleted">' in content
    assert {event.project for event in AuditEvent.objects.all()} == {project, second}


def test_a_project_that_the_form_does_not_name_or_that_gives_no_emails_stays_as_it_is(client, owner, project):
    former = ProjectFactory(name="Billing")
    sent = checked(former, "created") | {"project": [former.public_id, "prj_0000000000000000", "\x00"]}
    answer = client.post(PAGE, sent, follow=True)
    assert "Nothing was changed for 2 projects: you get no emails about them." in text(answer)
    assert "Notification settings saved." not in text(answer)
    assert Membership.objects.get(user=owner, project=project).mail_deleted
    assert not AuditEvent.objects.exists()


def test_a_choice_asks_for_a_recent_sign_in_and_leads_back_here(client, project):
    age(client)
    answer = client.post(f"{PAGE}?page=1", checked(project))
    assert asks(answer)
    assert "notifications" in answer["Location"]
    assert Membership.objects.get(project=project).mail_created


def test_no_project_one_and_a_thousand(outsider, signed_in):
    Membership.objects.all().delete()
    client = signed_in(outsider)
    assert "You get no email notifications" in text(client.get(PAGE))
    many_projects(outsider, 1_000)
    answer = client.get(PAGE, {"page": 50})
    assert len(shown(answer)) == 20
    assert "Page 50 of 50" in text(answer)


def test_every_page_of_the_account_and_the_settings_lead_here(client, project):
    for path in (reverse("account_email"), page("apikeys:settings", project)):
        assert f'href="{PAGE}' in client.get(path).content.decode()
    assert re.search(rf'href="{PAGE}[^"]*"\s+aria-current="page"', client.get(PAGE).content.decode())


def test_projects_of_one_name_show_their_ids_and_others_do_not(client, owner, project):
    """In the switcher, in the list and beside notifications; a namesake of somebody else does not count."""
    ProjectFactory(name=project.name)
    other = MembershipFactory(user=owner, project=ProjectFactory(name="Billing")).project
    twins = [project]

    def named(answer: Any) -> set[str]:
        return set(re.findall(r"<code[^>]*>(prj_\w{16})</code>", answer.content.decode()))

    for path in (reverse("projects:list"), PAGE, reverse("account_email")):
        assert named(client.get(path)) == set()
    twins.append(MembershipFactory(user=owner, project=ProjectFactory(name=project.name.upper())).project)
    for path in (reverse("projects:list"), PAGE, reverse("account_email")):
        assert named(client.get(path)) == {twin.public_id for twin in twins}, path
    assert other.public_id not in named(client.get(PAGE))
