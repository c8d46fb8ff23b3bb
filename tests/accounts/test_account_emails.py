"""Emails about an account say what happened, when, from where, and where to act."""

import re

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.conf import settings
from django.core import mail
from django.test import RequestFactory

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


@pytest.mark.parametrize("template", NOTIFICATIONS)
def test_a_notification_says_what_happened_when_from_where_and_where_to_act(template, person, time_machine):
    time_machine.move_to("2026-11-28T04:17:05Z", tick=False)
    request = RequestFactory().get("/", headers={"User-Agent": CHROME}, REMOTE_ADDR="203.0.113.7")
    request.user = person
    with context.request_context(request):
        person.email_as_read = "former@example.com"
        said = {"deleted_email": "x@example.com", "to_email": person.email}
        get_adapter().send_notification_mail(template, person, said)
    email = mail.outbox[-1]
    assert email.subject == f"[Latchkey] {NOTIFICATIONS[template]}"
    assert "28 November 2026, 04:17 UTC" in email.body
    assert "203.0.113.7, Chrome on Linux" in email.body
    assert "Mozilla" not in email.body
    for page in ("password/reset/", "sessions/"):
        assert f"{settings.BASE_URL}/accounts/{page}" in email.body
    assert re.search(r"e-?mail address|&#|Two-Factor", email.body) is None
