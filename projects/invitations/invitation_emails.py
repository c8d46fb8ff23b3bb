"""Emails about invitations: to the invited person, and to the owners of whom a person asks a new one."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from common.instants import in_words
from common.outbox.enqueueing import enqueue
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import tell_owners
from projects.invitations.models import Invitation
from projects.permissions import Role


def send_link(invitation: Invitation, link: str) -> None:
    """Called in the transaction that writes the token's digest.

    Names are one line each (common/names.py), and stand in lines of their own: a name must not pass for our text.
    """
    context = {
        "invitation": invitation,
        "role": Role(invitation.role).phrase,
        "inviter": inviter_of(invitation.by),
        "server": settings.BASE_URL,
        "link": link,
        "until": in_words(invitation.expires_at),
    }
    text = render_to_string("projects/invitations/email.txt", context).strip() + "\n"
    subject = f"{settings.EMAIL_SUBJECT_PREFIX}Invitation to the project {_one_line(invitation.project.name)}"
    message = EmailMessage(subject, text, to=[invitation.email])
    left = invitation.expires_at - timezone.now()
    message.useful_seconds = left.total_seconds()  # type: ignore[attr-defined]  # the outbox reads it
    enqueue([message], about=invitation.project.public_id)


def tell_of_request(invitation: Invitation) -> None:
    """Tells the owners that the invited person asks for a new invitation. Called in a transaction."""
    project = invitation.project
    words = Email(
        None,
        "New invitation asked for",
        "A person opened an invitation that has expired, and asks for a new one.",
        "To send it, press Resend on the project's Members page. If you do not expect this person, revoke it there.",
        section="",
        why="You get this email because you own the project. All owners get it.",
        links_members=True,
    )
    role = Role(invitation.role).label
    tell_owners(project, words, invitation.email, [("Person", invitation.email), ("Role", str(role))])


def inviter_of(by: User | None) -> str:
    """Who invites, as emails and pages say it."""
    if by is None:
        return "An operator of this server"
    return f"{_one_line(by.name)} ({by.email})" if by.name else by.email


def _one_line(name: str) -> str:
    return " ".join(name.split())
