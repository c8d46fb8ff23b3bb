"""The email to a person to whom a key is offered. Nobody can switch it off, because it asks for an answer."""

from django.conf import settings
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey
from projects.audit_log.kinds import Email
from projects.audit_log.owner_emails import circumstances, tell_person
from projects.models import Project

_OFFERED = Email(
    None,
    "API key offered to you",
    "An owner of a project asks you to become responsible for an API key. If you accept, the key is in your name: "
    "programs that check it read your address, and it stops working if your account is deactivated. Nothing changes "
    "until you accept.",
    "If you do not know the key or the person, press Decline.",
    section="",
    why="You get this email because the key was offered to you.",
)


def tell_of_offer(key: ApiKey, project: Project, *, to: User, by: User, address: str | None) -> None:
    """Called in the transaction that offers the key."""
    link = settings.BASE_URL + reverse("apikeys:key", args=[project.public_id, key.public_id])
    lines = [("Key", f"{key.name}, {key.mask}"), ("Accept or decline", link), *circumstances(by, address)]
    tell_person(to, project, _OFFERED, key.name, lines)
