"""The buttons of an invitation on the Members page: Copy link, and Revoke, which asks first."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from projects.audit_log.models import AuditEvent
from projects.invitations import invitation_limits
from projects.invitations.models import Invitation
from projects.invitations.services import copy_link, revoke
from tests.support.factories import MembershipFactory
from tests.support.people.invitations import invited
from tests.support.places.pages import FETCH, HTMX, page, text

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http\S+/invitations/[0-9a-f]{64}/")


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def invitation(project, owner):
    return invited(project, owner)


@pytest.fixture
def copy(client, project, invitation):
    """Presses Copy link, by default as a script does."""
    return lambda headers=FETCH: client.post(
        page("projects:copy_invitation_link", project, invitation), headers=headers
    )


def row(answer, invitation):
    return re.search(rf'<li id="row-{invitation.public_id}".*?</li>', answer.content.decode(), re.DOTALL)[0]


def test_a_script_gets_the_link_and_what_became_of_the_earlier_ones(copy, project, invitation, owner):
    answer = copy()
    assert answer["Cache-Control"].count("no-store")
    first, second = answer.json(), copy().json()
    assert LINK.fullmatch(first["secret"])
    assert first["secret"] != second["secret"]
    works = "It works once, for ada@example.com only, and ends in 7 days."
    assert first["note"] == f"{works} The emailed link still works."
    assert second["note"] == f"{works} The link that was copied before no longer works. The emailed link still works."


def test_the_note_says_that_another_persons_links_end(copy, project, invitation, owner, signed_in):
    """An invitation has one inviter, who vouches for it."""
    second = MembershipFactory(project=project).user
    address = page("projects:copy_invitation_link", project, invitation)
    note = signed_in(second).post(address, headers=FETCH).json()["note"]
    assert note.endswith("The emailed link no longer works.")


def test_without_script_the_link_stands_in_the_row_of_its_invitation(copy, project, invitation, owner):
    other = invited(project, owner, "other@example.com")
    answer = copy({"Referer": f"http://testserver{page('projects:members', project)}?page=1"})
    content = row(answer, invitation)
    assert LINK.search(content)
    assert re.search(r"<textarea[^>]*autofocus", content)
    assert f'href="{page("projects:members", project)}?page=1#row-{invitation.public_id}">Done</a>' in content
    assert not LINK.search(answer.content.decode().replace(content, ""))
    assert not LINK.search(row(answer, other))


def test_a_script_reads_why_no_link_was_made(copy, invitation, owner, monkeypatch):
    monkeypatch.setattr(invitation_limits, "MOST_COPIES_A_DAY", 1)
    copy()
    answer = copy()
    assert answer.status_code == 409
    assert answer.json()["message"].startswith("No link was made. A project or a person can copy 1 invitation links")
    revoke(invitation=invitation, by=owner)
    gone = copy()
    assert gone.status_code == 410
    assert "accepted or revoked in the meantime" in gone.json()["message"]


def test_revoke_asks_first_in_a_dialog_or_on_a_page(client, project, invitation):
    address = page("projects:revoke_invitation", project, invitation)
    members = page("projects:members", project)
    button = re.search(r'<button[^>]*id="inv_\w+-revoke"[^>]*>', client.get(members).content.decode())[0]
    assert 'form="open-key"' in button
    assert f'formaction="{address}"' in button
    asked = client.get(address, headers={"Referer": f"http://testserver{members}?q=a"})
    dialog = client.get(address, headers=HTMX)
    for answer in (asked, dialog):
        assert "Revoke the invitation of ada@example.com?" in text(answer)
        assert "This cannot be undone" in text(answer)
    assert dialog.content.decode().strip().startswith("<form")
    assert f"{members}?q=a#row-{invitation.public_id}" in asked.content.decode()
    assert not AuditEvent.objects.filter(kind="invitation_revoked").exists()
    done = client.post(address, {"back": f"{members}?q=a"})
    assert done.headers["Location"] == f"{members}?q=a#invitations"
    assert AuditEvent.objects.filter(kind="invitation_revoked").count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_nothing_is_asked_about_an_invitation_that_has_ended(headers, client, project, invitation, owner):
    revoke(invitation=invitation, by=owner)
    answer = client.get(page("projects:revoke_invitation", project, invitation), headers=headers)
    if headers:
        assert answer["HX-Retarget"] == "#invitation-list"
    else:
        assert answer.headers["Location"].endswith("/members/#invitations")


@pytest.mark.parametrize("name", ["resend_invitation", "copy_invitation_link"])
def test_a_button_that_changed_nothing_or_something_leads_back_to_the_row(
    name, client, project, invitation, owner, monkeypatch
):
    shown = f"{page('projects:members', project)}?page=1"
    monkeypatch.setattr(invitation_limits, "MOST_COPIES_A_DAY", 0)
    answer = client.post(
        page(f"projects:{name}", project, invitation), headers={"Referer": f"http://testserver{shown}"}
    )
    assert answer.headers["Location"] == f"{shown}#row-{invitation.public_id}"


def test_the_row_of_an_expired_invitation_is_shown_anew_after_a_copy(client, project, invitation, owner):
    """The copied link works for 7 days, and so does the invitation again."""
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert 'data-renews="invitation-list"' in row(client.get(page("projects:members", project)), invitation)
    copy_link(invitation=invitation, by=owner)
    assert "data-renews" not in row(client.get(page("projects:members", project)), invitation)
