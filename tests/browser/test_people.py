"""P19 of product.md: people share a project."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from common.outbox import senders
from config.environment import email_url
from projects.invitations.models import Invitation
from projects.invitations.services import copy_link
from projects.permissions import Role
from tests.browser.accounts import faults
from tests.browser.places import button, call, copied_with, members_page, said
from tests.support.factories import UserFactory
from tests.support.people.accounts import NEW_PASSWORD
from tests.support.people.invitations import ADDRESS, PAGE, invited, path_of
from tests.support.programs.mail_server import MailServer
from tests.support.stored.rows import many_invitations

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
LINK = re.compile(r"http\S+/invitations/[0-9a-f]{64}/")


@pytest.fixture
def mails(settings) -> Iterator[MailServer]:
    """A mail server. This process sends the emails that the tests' server has written into the outbox."""
    with MailServer().running() as server:
        found = {name: value for name, value in email_url.parse(server.url).items() if name != "EMAIL_TIMEOUT"}
        settings.MAIL_SENT_BY = found.pop("EMAIL_BACKEND")
        for name, value in found.items():
            setattr(settings, name, value)
        yield server


def mailed_link(mails: MailServer, address: str) -> str:
    senders.send_due()
    texts = [mail.get_content() for mail in mails.mails if mail["To"] == address]
    found = LINK.search("".join(texts))
    assert found, mails.recipients
    return urlsplit(found[0]).path


def invite(page: Page, address: str, role: str) -> None:
    page.get_by_label("Email addresses").fill(address)
    page.get_by_label("Role", exact=True).select_option(role)
    button(page, "Invite").click()
    said(page, f"Invited {address}.")


def test_p19_a_colleague_is_invited_accepts_works_as_a_developer_and_is_removed(
    server, owners_page, new_page, project, mails
):
    """P19: An owner invites a person by email; the person accepts on a phone, works as a developer, and is removed."""
    owners_page.goto(members_page(project))
    invite(owners_page, ADDRESS, "Developer")
    invitations = owners_page.get_by_role("region", name="Invitations")
    expect(invitations.get_by_role("listitem")).to_contain_text(ADDRESS)

    phone = new_page(**PHONE)
    link = mailed_link(mails, ADDRESS)
    phone.goto(link)
    expect(phone).to_have_url(re.compile(f"{PAGE}$"))
    expect(phone.get_by_role("main")).to_contain_text("Acme Weather")
    phone.get_by_role("link", name="Create account").click()
    expect(phone.get_by_label("Email")).to_have_value(ADDRESS)
    phone.get_by_label("Password").fill(NEW_PASSWORD)
    button(phone, "Create account").click()
    button(phone, "Accept invitation").click()
    said(phone, "You are now a developer of Acme Weather.")

    button(phone, "Generate Key").click()
    expect(phone.get_by_role("heading", name="Your API key is ready")).to_be_visible()
    secret = copied_with(phone, button(phone, "Copy"))
    assert call(server, secret).status == 200
    assert call(server, secret, "/me").body["data"]["user"]["email"] == ADDRESS
    # The page asks for the first request until it has come. Later it would ask as a person who was removed.
    expect(phone.get_by_text("First request received")).to_be_visible()

    owners_page.reload()
    expect(owners_page.get_by_role("region", name="Invitations")).to_contain_text("None pending")
    person = owners_page.get_by_role("row").filter(has_text=ADDRESS)
    person.get_by_role("button", name=re.compile("Remove")).click()
    button(owners_page, "Remove member").click()
    said(owners_page, f"Removed {ADDRESS} from Acme Weather.")
    phone.get_by_role("link", name="Continue to the dashboard").click()
    expect(phone.get_by_role("heading", name="There is nothing here")).to_be_visible()
    assert call(server, secret).status == 200, "keys belong to the project"
    phone.goto(link)
    expect(phone.get_by_role("heading", name="This invitation does not work")).to_be_visible()


def test_the_buttons_of_an_invitation_say_what_they_did_and_keep_the_focus(owners_page, project):
    owners_page.goto(members_page(project))
    invite(owners_page, ADDRESS, "Viewer")
    expect(button(owners_page, "Invite")).to_be_focused()
    button(owners_page, "Resend").click()
    said(owners_page, f"Emailed {ADDRESS} a new link")
    expect(button(owners_page, "Resend")).to_be_focused()
    link = copied_with(owners_page, button(owners_page, "Copy link"), saying="Invitation link copied. It works once")
    assert LINK.fullmatch(link)
    expect(button(owners_page, "Copied")).to_be_focused()
    expect(button(owners_page, "Copy link")).to_be_focused()
    button(owners_page, "Revoke…").click()
    button(owners_page.get_by_role("dialog"), "Revoke invitation").click()
    said(owners_page, f"Revoked the invitation of {ADDRESS}.")
    expect(owners_page.locator("#invitations-title")).to_be_focused()
    owners_page.get_by_label("Email addresses").fill(f"nobody, {ADDRESS}")
    button(owners_page, "Invite").click()
    expect(owners_page.get_by_role("alert")).to_contain_text("nobody: Enter a valid email address.")
    expect(owners_page.get_by_label("Email addresses")).to_be_focused()
    expect(owners_page.get_by_label("Email addresses")).to_have_value(f"nobody, {ADDRESS}")


def test_what_is_typed_or_chosen_and_not_sent_yet_stays_on_the_members_page(owners_page, project, viewer, developer):
    """The answers swap the list of invitations, or one row, and the focus stays on the button."""
    owners_page.goto(members_page(project))
    invite(owners_page, ADDRESS, "Viewer")
    owners_page.get_by_label("Email addresses").fill("half@exam")
    owners_page.get_by_label(f"Role of {developer.email}", exact=True).select_option("Owner")
    for name, words in (("Resend", f"Emailed {ADDRESS}"), ("Copy link", "Invitation link copied.")):
        button(owners_page, name).click()
        said(owners_page, words)
    button(owners_page, "Revoke…").click()
    button(owners_page, "Revoke invitation").click()
    said(owners_page, "Revoked")
    expect(owners_page.get_by_role("region", name="Invitations")).to_contain_text("None pending")
    save = button(owners_page, f"Save the role of {viewer.email}")
    owners_page.get_by_label(f"Role of {viewer.email}", exact=True).select_option("Developer")
    save.click()
    said(owners_page, f"{viewer.email} is now a developer.")
    expect(save).to_be_focused()
    expect(owners_page.get_by_label(f"Role of {viewer.email}", exact=True)).to_have_value("developer")
    expect(owners_page.get_by_label(f"Role of {developer.email}", exact=True)).to_have_value("owner")
    expect(owners_page.get_by_label("Email addresses")).to_have_value("half@exam")


# Layout and axe


def copied_path(project, owner: User, address: str = ADDRESS, role: Role = Role.DEVELOPER) -> str:
    return path_of(copy_link(invitation=invited(project, owner, address, role), by=owner)[1])


def test_what_an_invited_person_sees_fits_and_reads_well(page, sign_in, owner, project):
    """H6: each state of an invitation."""
    User.objects.filter(pk=owner.pk).update(name="Grace Hopper")
    link = copied_path(project, owner)
    page.goto(link)
    found = faults(page, "invitation, signed out")
    page.get_by_role("link", name="Create account").click()
    found |= faults(page, "invitation, sign-up")
    sign_in(page, owner)
    page.goto(link)
    expect(button(page, "Switch account")).to_be_visible()
    found |= faults(page, "invitation, another account")
    person = UserFactory(email=ADDRESS)
    sign_in(page, person)
    page.goto(link)
    expect(button(page, "Accept invitation")).to_be_visible()
    found |= faults(page, "invitation, to accept")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    page.goto(PAGE)
    found |= faults(page, "invitation, expired")
    button(page, "Ask for a new invitation").click()
    said(page, "The owners of the project got an email.")
    Invitation.objects.all().delete()
    page.goto(PAGE)
    assert found | faults(page, "invitation, unknown") == {}


def test_invitations_on_the_members_page_fit_and_read_well(owners_page, owner, project):
    """H6: none, some in each state, many, a new link, and a refused form."""
    owners_page.goto(members_page(project))
    found = faults(owners_page, "invitations, none")
    colleague = UserFactory(email="colleague@example.com")
    for address in (ADDRESS, f"{'w' * 52}@example.com", "expired@example.com", "orphan@example.com"):
        invited(project, owner, address)
    Invitation.objects.filter(email="expired@example.com").update(expires_at=timezone.now() - timedelta(days=1))
    Invitation.objects.filter(email="orphan@example.com").update(by=colleague)
    owners_page.reload()
    found |= faults(owners_page, "invitations, some")
    owners_page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error('refused')) }")
    button(owners_page, "Copy link").first.click()
    expect(button(owners_page, "Done")).to_be_visible()
    found |= faults(owners_page, "invitations, new link")
    button(owners_page, "Revoke…").first.click()
    expect(owners_page.get_by_role("dialog")).to_be_visible()
    found |= faults(owners_page, "invitations, revoke")
    owners_page.keyboard.press("Escape")
    owners_page.get_by_label("Email addresses").fill(f"nobody, {ADDRESS}, {owner.email}")
    button(owners_page, "Invite").click()
    expect(owners_page.get_by_role("alert")).to_be_visible()
    found |= faults(owners_page, "invitations, refused")
    many_invitations(project, 46)
    owners_page.reload()
    assert found | faults(owners_page, "invitations, many") == {}
