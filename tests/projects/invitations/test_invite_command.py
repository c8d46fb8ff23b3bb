"""The command `invite`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.invitations.tokens import Way, digest_of, find, way_of
from tests.support.people.invitations import ADDRESS, mailed_link

pytestmark = pytest.mark.django_db


def run(*words):
    out = StringIO()
    call_command("invite", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def found_by(link):
    digest = digest_of(link.split("/")[-2])
    invitation = find(digest)
    return invitation and (invitation, way_of(invitation, digest))


def test_the_command_prints_a_link_that_confirms_nothing_and_emails_only_the_owners(project, owner, told):
    answers = []
    found = told(lambda: answers.append(run(project.public_id, "Ada@example.com", "--role", "viewer")))
    [answer] = answers
    invitation = Invitation.objects.get()
    assert set(answer) == {"link", "expires_at"}
    assert answer["expires_at"] == invitation.expires_at.isoformat()
    assert found_by(answer["link"]) == (invitation, Way.LINK)
    assert (invitation.email, invitation.role, invitation.by) == (ADDRESS, "viewer", None)
    assert [message.to for message in found] == [[owner.email]]
    event = AuditEvent.objects.get(kind="invited")
    assert (event.before, event.by) == (ADDRESS, None)


def test_a_second_run_makes_a_new_link_and_send_also_emails_one(project):
    first = run(project.public_id, ADDRESS)["link"]
    second = run(project.public_id, ADDRESS, "--send")["link"]
    assert Invitation.objects.get().role == "developer"
    assert found_by(first) is None
    assert found_by(second)[1] == Way.LINK
    assert found_by(f"http://localhost{mailed_link()}")[1] == Way.MAILED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((ADDRESS, "--role", "emperor"), "No role 'emperor'. The roles are owner, developer, viewer."),
        (("viewer@example.com",), "viewer@example.com is a member already."),
        (("nobody",), "nobody: Enter a valid email address."),
    ],
)
def test_the_command_says_what_is_wrong(words, said, project, viewer):
    with pytest.raises(CommandError, match=said.replace(".", r"\.")):
        call_command("invite", project.public_id, *words)
    with pytest.raises(CommandError, match="No project"):
        call_command("invite", "prj_0000000000000000", ADDRESS)
    assert not Invitation.objects.exists()
