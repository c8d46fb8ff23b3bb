"""The page that asks for the password again before a sensitive action, and its form."""

import html
import json
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from projects.models import Project
from tests.support.factories import PASSWORD

CONFIRM = "/accounts/reauthenticate/"


def asks(answer: Any) -> bool:
    """Whether the answer leads to the confirmation page, in any of its forms."""
    to = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or ""
    if answer.headers.get("Content-Type") == "application/json":
        to = json.loads(answer.content).get("login", "")
    return bool(re.match(r"/accounts/(reauthenticate|2fa/reauthenticate|2fa/webauthn/reauthenticate)/\?next=", to))


def confirm(client: Client, address: str, **options: Any) -> Any:
    """Submits the password on the page that `address` leads to."""
    page = client.get(address).content.decode()
    assert "Confirm it's you</h1>" in page
    assert 'autocomplete="current-password"' in page
    back_to = re.search(r'<input type="hidden" name="next" value="([^"]*)"', page)
    assert back_to
    return client.post(CONFIRM, {"password": PASSWORD, "next": html.unescape(back_to[1])}, **options)


def reverse_delete(project: Project) -> str:
    return reverse("projects:delete", args=[project.public_id])
