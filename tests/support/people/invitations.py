"""Invitations, their mailed links, and browsers that open them."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.outbox import senders
from projects.invitations.models import Invitation
from projects.invitations.services import invite
from projects.models import Project
from projects.permissions import Role

ADDRESS = "ada@example.com"
PAGE = "/invitations/"
ACCEPT = reverse("projects:accept_invitation")
_LINK = re.compile(r"^http\S+/invitations/[0-9a-f]{64}/$", re.M)


def invited(project: Project, by: User | None, email: str = ADDRESS, role: Role = Role.DEVELOPER) -> Invitation:
    """A new invitation. Its email waits in the outbox."""
    [invitation] = invite(project=project, emails=[email], role=role, by=by)
    return invitation


def mailed_link(email: str = ADDRESS) -> str:
    """The path of the link in the newest email to the address. Sends the emails that wait."""
    senders.send_due()
    emails = [message for message in mail.outbox if message.to == [email] and _LINK.search(str(message.body))]
    found = _LINK.search(str(emails[-1].body))
    assert found
    return urlsplit(found[0]).path


def path_of(link: str) -> str:
    return urlsplit(link).path


def open_link(client: Client, path: str) -> Any:
    """The page of the invitation, as the browser shows it after the link."""
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, PAGE)
    return client.get(PAGE)
