"""Handing a key over, and removing a person on whom keys depend."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apikeys.keys.services import copy_secret, create_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.permissions import Role
from tests.browser.places import button, call, dashboard, members_page, said, until
from tests.support.factories import MembershipFactory, UserFactory
from tests.support.places.pages import action


@pytest.fixture
def colleague(project):
    user = UserFactory(email="colleague@example.com")
    MembershipFactory(project=project, user=user, role=Role.DEVELOPER)
    return user


def remove_page(project, user):
    return reverse("apikeys:remove_member", args=[project.public_id, user.public_id])


def test_removing_a_person_shows_what_depends_on_them_and_rolls_what_they_know(
    owners_page, server, project, owner, api_key, colleague
):
    """P22: a key in use that they created, and a secret that they copied. The old keys end in 24 hours."""
    page = owners_page
    theirs = create_key(project=project, name="Nightly backup", by=colleague)
    assert call(server, theirs.secret).status == 200
    copy_secret(key=api_key, by=colleague)
    until(lambda: ApiKey.objects.get(pk=theirs.key.pk).last_used_at)
    page.goto(remove_page(project, colleague))
    used, copied = page.get_by_role("listitem").filter(has_text="in the last 24 hours").all()
    expect(used).to_contain_text("They are responsible for it. They created it")
    expect(used).to_contain_text("1 request in the last 24 hours")
    expect(copied).to_contain_text("They copied its secret")
    for name in ("Nightly backup", "Production server"):
        expect(page.get_by_label(f"What happens to {name}")).to_have_value("roll")
    page.get_by_label("What happens to Production server").select_option("Leave as it is")
    button(page, "Remove member").press("Enter")
    said(page, "Removed colleague@example.com from Acme Weather. Rolled 1 key")
    assert not project.memberships.filter(user=colleague).exists()
    old, new = ApiKey.objects.get(pk=theirs.key.pk), ApiKey.objects.get(replaces=theirs.key)
    assert (old.expires_at - new.created_at).total_seconds() == 24 * 3600
    page.get_by_role("link", name="Nightly backup", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly backup")
    expect(button(page, "Copy")).to_be_visible()
    secret = copy_secret(key=new, by=owner)
    assert [call(server, each).status for each in (secret, theirs.secret)] == [200, 200]
    ApiKey.objects.filter(pk=old.pk).update(expires_at=new.created_at)
    assert [call(server, each).status for each in (secret, theirs.secret)] == [200, 401]


def test_the_dialog_says_first_what_the_removal_means_however_many_keys_there_are(owners_page, project, colleague):
    for number in range(20):
        create_key(project=project, name=f"Theirs {number}", by=colleague)
    owners_page.goto(members_page(project))
    button(owners_page, "Remove… colleague@example.com").click()
    dialog = owners_page.get_by_role("dialog")
    for words in ("They lose access to Acme Weather at once", "Leave as it is changes nothing"):
        expect(dialog.get_by_text(words)).to_be_in_viewport()


def test_a_key_is_offered_in_the_dialog_and_accepted_on_the_dashboard(
    owners_page, new_page, sign_in, project, owner, api_key, colleague
):
    page = owners_page
    page.goto(action("key", api_key))
    button(page, "Hand over…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are responsible for this key")
    dialog.get_by_label("Member", exact=True).select_option("colleague@example.com")
    button(dialog, "Offer").click()
    said(page, "Offered Production server to colleague@example.com")
    expect(dialog).to_be_hidden()
    expect(button(page, "Withdraw offer")).to_be_visible()
    theirs = new_page()
    sign_in(theirs, colleague)
    theirs.goto(dashboard(project))
    expect(theirs.get_by_text("owner@example.com offers you the key Production server.")).to_be_visible()
    button(theirs, "Accept").press("Enter")
    said(theirs, "You are now responsible for Production server.")
    assert verify(f"Bearer {api_key.secret}").identity.user_id == colleague.public_id
    expect(button(theirs, "Accept")).to_have_count(0)


def test_the_form_without_script_takes_a_key_over_from_a_person_who_knows_its_secret(
    new_page, sign_in, project, owner, colleague
):
    key = create_key(project=project, name="Theirs", by=colleague).key
    page = new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    sign_in(page, owner)
    page.goto(action("key", key))
    button(page, "Hand over…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hand “Theirs” over")
    expect(page.get_by_text("colleague@example.com knows the secret: they created it")).to_be_visible()
    button(page, "Take over").click()
    expect(page.get_by_text("You are now responsible for Theirs.")).to_be_visible()
    assert ApiKey.objects.get(pk=key.pk).responsible == owner


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["", "without script"])
def test_back_from_roll_instead_keeps_the_member_who_was_chosen(
    new_page, sign_in, project, owner, api_key, colleague, java_script_enabled
):
    copy_secret(key=api_key, by=owner)
    page = new_page(java_script_enabled=java_script_enabled)
    sign_in(page, owner)
    page.goto(action("key", api_key))
    button(page, "Hand over…").click()
    member = page.get_by_label("Member", exact=True)
    member.select_option("colleague@example.com")
    button(page, "Roll instead…").click()
    expect(page.get_by_role("heading", name="Roll “Production server”")).to_be_visible()
    page.get_by_role("button" if java_script_enabled else "link", name="Back", exact=True).click()
    expect(member).to_have_value(colleague.public_id)
    button(page, "Offer").click()
    expect(page.get_by_text("Offered Production server to colleague@example.com").first).to_be_visible()
