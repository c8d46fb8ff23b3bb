"""Emails about an account say what happened, when, from where, and where to act."""

import re
from dataclasses import replace

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.conf import settings
from django.core import mail
from django.test import RequestFactory

FORMER = "former@example.com"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
NOTIFICATIONS = {
    "account/email/password_changed": "Your password was changed",
    "account/email/password_reset": "Your password was reset",
    "account/email/password_set": "Your password was set",
    "account/email/email_changed": "Your email was changed",
    "account/email/email_deleted": "An email was removed from your account",
    "mfa/email/totp_activated": "Authenticator app turned on",
    "mfa/email/totp_deactivated": "Authenticator app turned off",
    "mfa/email/webauthn_added": "Passkey added",
    "mfa/email/webauthn_removed": "Passkey removed",
    "mfa/email/recovery_codes_generated": "New recovery codes generated",
}


def notify(person, template):
    request = RequestFactory().get("/", headers={"User-Agent": CHROME}, REMOTE_ADDR="203.0.113.7")
    request.user = person
    with context.request_context(request):
        person.email_as_read = FORMER
        said = {"deleted_email": "x@example.com", "to_email": person.email}
        get_adapter().send_notification_mail(template, person, said)
    return mail.outbox[-1]


@pytest.mark.parametrize("template", NOTIFICATIONS)
def test_a_notification_says_what_happened_when_from_where_and_where_to_act(template, person, time_machine):
    time_machine.move_to("2026-11-28T04:17:05Z", tick=False)
    email = notify(person, template)
    assert email.subject == f"[Latchkey] {NOTIFICATIONS[template]}"
    assert "28 November 2026, 04:17 UTC" in email.body
    assert "203.0.113.7, Chrome on Linux" in email.body
    assert "Mozilla" not in email.body
    assert person.public_id in email.body
    for page in ("password/reset/", "sessions/"):
        # At the former address nobody can use these pages: the account has another one.
        assert (f"{settings.BASE_URL}/accounts/{page}" in email.body) == (template != "account/email/email_changed")
    assert re.search(r"e-?mail address|&#|Two-Factor", email.body) is None


@pytest.mark.parametrize("template", NOTIFICATIONS)
def test_a_notification_says_whom_to_tell_who_cannot_sign_in(template, person, settings):
    """A thief may have turned a second factor on, or changed the address: then no page of the account opens."""
    assert "tell an administrator of this server" in notify(person, template).body
    settings.BRAND = replace(settings.BRAND, support_url="mailto:help@acme.example")
    assert "tell an administrator of this server (help@acme.example)" in notify(person, template).body


def test_the_former_address_reads_that_only_an_administrator_can_undo_the_change(person):
    email = notify(person, "account/email/email_changed")
    assert email.to == [FORMER]
    assert f"changed from {FORMER} to {person.email}" in email.body
    assert "An administrator can change it back" in email.body
