"""The Members page: who is in the project, how owners change that, and how everybody leaves."""

import re

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from projects.audit_log.models import AuditEvent
from projects.members.memberships import change_member
from projects.models import Membership
from projects.permissions import Permission, Role, reason
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.people.invitations import invited
from tests.support.places.pages import HTMX, page, text
from tests.support.stored.rows import many_members

pytestmark = pytest.mark.django_db


def members_of(project):
    return page("projects:members", project)


def role_of(project, user):
    return project.memberships.get(user=user).role


def rows(answer):
    """The words of each row."""
    found = re.findall(r'<tr class="member-row".*?</tr>', answer.content.decode(), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


@pytest.fixture
def client(owner, signed_in):
    return signed_in(owner)


@pytest.fixture
def second(project):
    return MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user


# Who sees what


def test_the_page_says_who_is_in_the_project_in_which_role(client, project, owner, developer, viewer):
    User.objects.filter(pk=developer.pk).update(name="Dev Eloper", last_login=timezone.now())
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    first, second, third = rows(client.get(members_of(project)))
    assert first.startswith("owner@example.com You Role Owner The last owner.")
    assert second.startswith("Dev Eloper developer@example.com")
    assert "Last sign-in just now" in second
    assert third.startswith("viewer@example.com Deactivated")
    assert "Last sign-in Never" in third
    assert all("Member since" in row and "Last sign-in" in row for row in (first, second, third))
    sidebar = client.get(page("apikeys:dashboard", project), follow=True).content.decode()
    names = [name for name in ("Activity", "Members", "Settings") if f" {name}</a" in " ".join(sidebar.split())]
    assert names == ["Activity", "Members", "Settings"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_who_may_not_change_members_sees_them_and_reads_why(role, project, viewer, developer, signed_in):
    person = {Role.VIEWER: viewer, Role.DEVELOPER: developer}[role]
    answer = signed_in(person).get(members_of(project))
    assert reason(Permission.MANAGE_MEMBERS) in text(answer)
    assert [row.split()[0] for row in rows(answer)] == [
        "owner@example.com",
        "developer@example.com",
        "viewer@example.com",
    ]
    content = answer.content.decode()
    assert "/role/" not in content
    assert "/remove/" not in content
    assert "/members/leave/" in content


def test_a_thousand_members_have_pages_and_a_search_by_address_or_name(client, project, owner, developer):
    many_members(project, 998)
    User.objects.filter(pk=developer.pk).update(name="Zoë Kravitz")
    first = client.get(members_of(project))
    assert "1,000 members" in text(first)
    assert "Page 1 of 50 1–20 of 1,000 Next Last" in text(first)
    assert [row.split()[0] for row in rows(first)][:2] == ["owner@example.com", "Zoë"]
    last = rows(client.get(members_of(project), {"page": 50}))
    assert len(rows(first)) == len(last) == 20
    middle = client.get(members_of(project), {"page": 26, "q": "@"})
    assert "First Previous Page 26 of 50 501–520 of 1,000 Next Last" in text(middle)
    for number in (1, 25, 27, 50):
        assert f'href="?page={number}&amp;q=%40"' in middle.content.decode()
    for wanted in ("zoe\u0308".replace("z", "Z"), "DEVELOPER@"):
        [found] = rows(client.get(members_of(project), {"q": wanted}))
        assert "developer@example.com" in found
    nothing = client.get(members_of(project), {"q": "nobody"})
    assert "No member matches “nobody”." in text(nothing)
    assert "0 members" not in text(nothing)


# Roles


def test_a_role_is_changed_in_place(client, project, owner, viewer, told):
    """T49: by page: one event, and one email to the person and to each owner."""
    mails = told(client.post, page("projects:change_role", project, viewer), {"role": "developer"}, headers=HTMX)
    assert role_of(project, viewer) == "developer"
    assert sorted(address for mail in mails for address in mail.to) == ["owner@example.com", "viewer@example.com"]
    [event] = AuditEvent.objects.filter(kind="member_changed")
    assert (event.member, event.role, event.by, event.address) == (viewer, "developer", owner, "127.0.0.1")
    assert project.memberships.get(user=viewer).mails_chosen_at, "what was before the change is unknown to them"


def test_htmx_gets_the_row_and_a_browser_without_script_its_page_again(client, project, viewer, developer):
    address = page("projects:change_role", project, viewer)
    shown = f"http://testserver{members_of(project)}?q=viewer"
    answer = client.post(address, {"role": "developer"}, headers=HTMX | {"HX-Current-URL": shown})
    assert "viewer@example.com is now a developer." in text(answer)
    assert len(rows(answer)) == 1, "roles that are not saved yet stay in the other rows"
    assert "viewer@example.com" in rows(answer)[0]
    assert "<h1>" not in answer.content.decode()
    again = client.post(address, {"role": "developer"}, headers={"Referer": shown})
    assert again.headers["Location"] == f"{members_of(project)}?q=viewer#member-{viewer.public_id}"
    assert "viewer@example.com is already a developer." in text(client.get(again.headers["Location"]))
    assert AuditEvent.objects.filter(kind="member_changed").count() == 1


def test_a_change_that_leaves_one_owner_takes_the_controls_of_that_owner_too(client, project, owner, second):
    answer = client.post(page("projects:change_role", project, second), {"role": "viewer"}, headers=HTMX)
    assert "The last owner." in rows(answer)[0]
    assert answer.content.decode().count('hx-swap-oob="true"') == 2, "the owner's row, and the panel for leaving"
    assert "You are its last owner." in text(answer)
    assert 'id="leave" aria-labelledby="leave-title" hx-swap-oob="true"' in answer.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "htmx"])
def test_owners_are_asked_before_they_give_their_own_right_away(headers, client, project, owner, second):
    address = page("projects:change_role", project, owner)
    asked = client.post(address, {"role": "viewer"}, headers=headers)
    assert "You will no longer manage this project." in text(asked)
    assert role_of(project, owner) == "owner"
    answer = client.post(address, {"role": "viewer", "sure": "yes"})
    assert answer.headers["Location"] == f"{members_of(project)}#member-{owner.public_id}"
    assert role_of(project, owner) == "viewer"
    shown = client.get(members_of(project))
    assert "You are now a viewer." in text(shown)
    assert "/role/" not in shown.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "htmx"])
def test_nobody_undoes_a_role_that_they_did_not_see(headers, client, project, viewer):
    address = page("projects:change_role", project, viewer)
    assert '<input type="hidden" name="seen" value="viewer">' in client.get(members_of(project)).content.decode()
    change_member(project=project, user=viewer, role=Role.OWNER, by=None)
    answer = client.post(address, {"role": "developer", "seen": "viewer"}, headers=headers)
    assert answer.status_code == 422
    said = "Somebody made viewer@example.com an owner in the meantime. Nothing was changed. Choose again."
    assert said in text(answer)
    assert 'name="seen" value="owner"' in answer.content.decode()
    assert role_of(project, viewer) == "owner"
    twice = [client.post(address, {"role": "developer", "seen": "owner"}).status_code for _ in range(2)]
    assert (twice, role_of(project, viewer)) == ([302, 302], "developer")


def test_the_question_about_ones_own_role_keeps_what_was_seen(client, project, owner, second):
    asked = client.post(page("projects:change_role", project, owner), {"role": "viewer", "seen": "owner"})
    assert '<input type="hidden" name="seen" value="owner">' in asked.content.decode()


@pytest.mark.parametrize("role", ["", "admin", "OWNER"])
def test_a_role_that_no_form_offers_changes_nothing(role, client, project, viewer):
    answer = client.post(page("projects:change_role", project, viewer), {"role": role})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert role_of(project, viewer) == "viewer"


# Invitations


def test_the_buttons_of_an_invitation_answer_htmx_with_the_list_alone(client, project, invitation):
    """Half-typed addresses and roles that are not saved yet stay on the page."""
    for name, said in (
        ("resend_invitation", "a new link, which works for 7 days"),
        ("revoke_invitation", "Its links no longer work."),
        ("revoke_invitation", "in the meantime. Nothing was changed."),
    ):
        answer = client.post(page(f"projects:{name}", project, invitation), headers=HTMX)
        content = answer.content.decode()
        assert said in text(answer)
        assert content.strip().startswith('<div id="invitation-list"'), name
        assert 'id="invite-emails"' not in content
        assert 'id="invitations-count" hx-swap-oob="true"' in content


def test_addresses_are_understood_as_mail_programs_copy_them(client, project):
    named = 'Inv One <inv1@example.com>; "Two, Inv" <inv2@example.com>'
    typed = f"{named}, inv3@example.com inv4@example.com\n<inv5@example.com>"
    answer = client.post(page("projects:invite", project), {"emails": typed, "role": "viewer"}, headers=HTMX)
    assert "Invited 5 people." in text(answer)
    assert answer.content.decode().strip().startswith("<section")
    invited = sorted(project.invitations.values_list("email", flat=True))
    assert invited == [f"inv{number}@example.com" for number in range(1, 6)]


def test_a_refused_invitation_takes_away_what_was_announced_before(client, project):
    typed = {"emails": "Grace <nobody>", "role": "viewer"}
    answer = client.post(page("projects:invite", project), typed, headers=HTMX)
    assert answer.status_code == 422
    assert "nobody: Enter a valid email address." in text(answer)
    assert re.search(r'id="announcements"[^>]* hx-swap-oob="innerHTML"', answer.content.decode())


# A project always has an owner


def test_the_last_owner_reads_why_they_stay(client, project, owner, viewer):
    """T49: by page, each with words beside the control, and on what an older page sends."""
    shown = client.get(members_of(project))
    assert "The last owner. To change this, make another person an owner first." in rows(shown)[0]
    assert "You are its last owner. To leave, make another person an owner first." in text(shown)
    assert page("projects:change_role", project, owner) not in shown.content.decode()
    refused = client.post(page("projects:change_role", project, owner), {"role": "viewer"})
    assert refused.status_code == 422
    assert "can neither be removed nor get another role" in rows(refused)[0]
    for answer in (client.get(page("projects:leave", project)), client.post(page("projects:leave", project))):
        assert "a project always has one" in text(answer)
        assert ">Leave project</button>" not in answer.content.decode()
    assert role_of(project, owner) == "owner"


@pytest.mark.parametrize("gone", [{"is_active": False}, {"deleted_at": timezone.now()}], ids=["deactivated", "deleted"])
def test_an_owner_whose_account_is_gone_does_not_count(gone, client, project, owner, second):
    User.objects.filter(pk=second.pk).update(**gone)
    assert client.post(page("projects:leave", project)).status_code == 422
    assert client.post(page("projects:change_role", project, owner), {"role": "viewer"}).status_code == 422
    assert client.post(page("apikeys:remove_member", project, second)).status_code == 302
    assert list(project.members.all()) == [owner]


def test_an_owner_among_several_has_the_controls(client, project, owner, second):
    shown = client.get(members_of(project)).content.decode()
    for person in (owner, second):
        assert page("projects:change_role", project, person) in shown
    assert page("apikeys:remove_member", project, second) in shown
    assert page("apikeys:remove_member", project, owner) not in shown, "they leave instead"


# Removing and leaving


def test_removing_asks_first_and_says_what_it_means(client, project, viewer, told):
    asked = client.get(page("apikeys:remove_member", project, viewer))
    assert "They lose access to Acme Weather at once. No API key depends on them." in text(asked)
    mails = told(client.post, page("apikeys:remove_member", project, viewer))
    assert not project.memberships.filter(user=viewer).exists()
    assert sorted(address for mail in mails for address in mail.to) == ["owner@example.com", "viewer@example.com"]
    assert "Removed viewer@example.com from Acme Weather." in text(client.get(members_of(project)))
    assert "They are no longer a member." in text(client.get(page("apikeys:remove_member", project, viewer)))


def test_who_leaves_is_led_to_the_project_list(project, viewer, signed_in, told):
    client = signed_in(viewer)
    assert "Keys that you created stay as they are." in text(client.get(page("projects:leave", project)))
    mails = told(client.post, page("projects:leave", project))
    assert sorted(address for mail in mails for address in mail.to) == ["owner@example.com", "viewer@example.com"]
    [event] = AuditEvent.objects.filter(kind="member_left")
    assert (event.member, event.by) == (viewer, viewer)
    assert "You left Acme Weather." in text(client.get("/projects/"))
    assert client.get(members_of(project)).status_code == 404
    assert client.post(page("projects:leave", project)).status_code == 404


def test_an_owner_who_would_remove_themselves_is_asked_whether_to_leave(client, project, owner, second):
    answer = client.post(page("apikeys:remove_member", project, owner))
    assert answer.headers["Location"] == page("projects:leave", project)
    assert role_of(project, owner) == "owner"


# Pages that were open for long


def before_the_lock(act):
    """Calls `act` just before a service locks the project, when the view has already found the membership."""
    acted = []

    def execute(run, sql, params, many, context):
        if not acted and re.search(r'FROM "projects_project" WHERE \("projects_project"."deleted_at" IS NULL', sql):
            acted.append(True)
            act()
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


@pytest.mark.parametrize("action", ["projects:change_role", "apikeys:remove_member"])
def test_an_owner_who_lost_the_right_meanwhile_changes_nothing(action, client, project, owner, second, viewer):
    """H5: the right is asked for again when the project is locked."""
    address = page(action, project, viewer)
    with before_the_lock(lambda: Membership.objects.filter(user=owner).update(role=Role.VIEWER)):
        answer = client.post(address, {"role": "owner"})
    assert answer.status_code == 403
    assert "Only owners of the project can invite people, change roles and remove members." in text(answer)
    assert role_of(project, viewer) == "viewer"


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "htmx"])
def test_an_old_page_brings_no_removed_person_back(headers, client, project, viewer):
    with before_the_lock(lambda: Membership.objects.filter(user=viewer).delete()):
        answer = client.post(page("projects:change_role", project, viewer), {"role": "owner"}, headers=headers)
    said = text(answer if headers else client.get(answer.headers["Location"]))
    assert "viewer@example.com is no longer a member. Nothing was changed." in said
    assert not project.memberships.filter(user=viewer, role="owner").exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("projects:invite", {"emails": "nobody", "role": "viewer"}),
        ("projects:copy_invitation_link", {}),
        ("projects:change_role", {"role": "none"}),
    ],
)
def test_answers_to_forms_of_the_members_page_mark_it_in_the_sidebar(name, form, client, project, owner, viewer):
    """They have addresses of their own. tests/product/test_menu_entries.py has the pages."""
    rest = {
        "projects:copy_invitation_link": lambda: [invited(project, owner).public_id],
        "projects:change_role": lambda: [viewer.public_id],
    }
    answer = client.post(reverse(name, args=[project.public_id, *rest.get(name, list)()]), form)
    assert answer.status_code in (200, 422)
    marked = re.findall(r'<a\s+href="([^"]+)"\s+aria-current="true"', answer.content.decode())
    assert marked[-1:] == [members_of(project)]
