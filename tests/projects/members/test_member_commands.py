"""Members by command: listmembers, setrole and removemember."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from projects.audit_log.models import AuditEvent
from projects.services import delete_project

pytestmark = pytest.mark.django_db


def run(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answer(*words):
    return json.loads(run(*words, "--json"))


def test_members_are_listed_owners_first(project, owner, developer, viewer):
    User.objects.filter(pk=developer.pk).update(name="Dev", is_active=False)
    lines = run("listmembers", project.public_id).splitlines()
    assert lines[0] == "3 members of Acme Weather:"
    assert [line.split()[0] for line in lines[1:]] == ["owner", "developer", "viewer"]
    assert lines[2].endswith("developer@example.com (Dev)  deactivated")
    found = answer("listmembers", project.public_id)
    assert found["project_id"] == project.public_id
    assert [(each["id"], each["is_active"]) for each in found["members"]] == [
        (owner.public_id, True),
        (developer.public_id, False),
        (viewer.public_id, True),
    ]
    assert set(found["members"][0]) == {"id", "email", "name", "role", "since", "last_sign_in", "is_active"}


def test_a_command_gives_a_role_and_makes_a_member(project, owner, viewer, outsider, told):
    """T49: by command: one event each, and one email each to the person and to the owner."""
    mails = told(run, "setrole", project.public_id, "VIEWER@example.com", "developer")
    assert sorted(address for mail in mails for address in mail.to) == ["owner@example.com", "viewer@example.com"]
    said = run("setrole", project.public_id, outsider.public_id, "viewer")
    assert said == f"outsider@example.com ({outsider.public_id}) is now a viewer of Acme Weather.\n"
    assert answer("setrole", project.public_id, outsider.email, "viewer")["changed"] is False
    found = [(event.kind, event.member, event.role, event.by) for event in AuditEvent.objects.order_by("pk")]
    assert found == [("member_changed", viewer, "developer", None), ("member_added", outsider, "viewer", None)]


def test_a_command_removes_a_member(project, owner, viewer, told):
    """T49"""
    mails = told(run, "removemember", project.public_id, viewer.email)
    assert sorted(address for mail in mails for address in mail.to) == ["owner@example.com", "viewer@example.com"]
    assert "By: an operator of this server" in mails[0].body
    assert list(project.members.all()) == [owner]
    with pytest.raises(CommandError, match=f"is not a member of Acme Weather.*listmembers {project.public_id}"):
        run("removemember", project.public_id, viewer.email)


@pytest.mark.parametrize("words", [("setrole", "viewer"), ("setrole", "developer"), ("removemember",)])
def test_no_command_takes_the_last_owner_away(words, project, owner, viewer):
    """T49: it says what to do first."""
    command, *role = words
    with pytest.raises(
        CommandError, match=r"The last owner of Acme Weather.*Make another active person an owner first."
    ):
        run(command, project.public_id, owner.email, *role)
    assert project.memberships.get(user=owner).role == "owner"


def test_a_command_that_cannot_be_carried_out_says_what_to_do(project, owner, outsider):
    with pytest.raises(CommandError, match=r"invalid choice: 'admin'.*owner.*developer.*viewer"):
        run("setrole", project.public_id, owner.email, "admin")
    with pytest.raises(CommandError, match=r"No user 'nobody@example.com'"):
        run("setrole", project.public_id, "nobody@example.com", "viewer")
    User.objects.filter(pk=outsider.pk).update(is_active=False)
    with pytest.raises(CommandError, match="Reactivate it in the admin first"):
        run("setrole", project.public_id, outsider.email, "viewer")
    User.objects.filter(pk=outsider.pk).update(deleted_at=timezone.now())
    with pytest.raises(CommandError, match=r"was deleted by its person and cannot be activated again\.") as refused:
        run("setrole", project.public_id, outsider.public_id, "viewer")
    assert f"/{outsider.pk}/" not in str(refused.value)
    delete_project(project=project, by=owner)
    for words in (("listmembers",), ("setrole", owner.email, "viewer"), ("removemember", owner.email)):
        with pytest.raises(CommandError, match=f"No project '{project.public_id}'"):
            run(words[0], project.public_id, *words[1:])
