"""Emails about an account and the keys that stop or work with it."""

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts.models import User
from accounts.services import SHOWN
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import Line


def email_about(user: User, words: Email, *, to: str, named: Sequence[str], each: str, who: list[Line]) -> EmailMessage:
    """Names the first few of the things in `named`, of which `each` is one ("Project"), and says how many follow.

    `who` are the lines that say who did it, as `owner_emails.circumstances` makes them.
    """
    lines = [("Account", user.email), *((each, name) for name in named[:SHOWN])]
    if len(named) > SHOWN:
        lines.append((f"And further {each.lower()}s", str(len(named) - SHOWN)))
    text = render_to_string("projects/owner_email.txt", {"words": words, "lines": [*lines, *who]}).strip() + "\n"
    return EmailMessage(f"{settings.EMAIL_SUBJECT_PREFIX}{words.subject}: {user.email}", text, to=[to])
