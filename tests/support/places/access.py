"""A table of every URL with the people who may use it, and the requests that test the table."""

import re
from collections.abc import Callable
from typing import Any

from allauth.account.models import EmailAddress
from django.db import models
from django.test import Client

from accounts.models import User
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.invitations.models import Invitation
from projects.models import File, Membership, Project
from tests.support.places.routes import Route, all_routes

PROJECT = "projects/<project_id:project_id>/"
KEY = PROJECT + "keys/<key_id:key_id>/"
MEMBER = PROJECT + "members/<user_id:user_id>/"
INVITATION = PROJECT + "invitations/<invitation_id:invitation_id>/"
FILE = "api/v1/files/<file_id:file_id>"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PERSONAS = ("anonymous", "outsider", "viewer", "developer", "owner", "admin")
# The others get the answers of one of these: a person who is invited, a former owner, and an owner whose account is
# deactivated, the last two in the sessions that they had before.
AS_ANOTHER = {"invited": "outsider", "former": "outsider", "deactivated": "anonymous"}
LOGIN = "login"  # 302 to the login page, which leads back

# One row for each URL. For each method, the row has the status for each of PERSONAS, in that order. HEAD equals GET.
# Every other method is 405 after LoginRequired has let the person pass.
ACCESS: dict[str, dict[str, tuple[int | str, ...]]] = {
    "": {"GET": (200, 302, 302, 302, 302, 302)},
    "favicon.ico": dict.fromkeys(("GET", "OPTIONS", *UNSAFE), (302,) * 6),
    "help/": {"GET": (200,) * 6},
    # The logo and the colours of an operator, who has none here (tests/config/test_brand_pages.py).
    "brand/<str:name>": {"GET": (404,) * 6},
    ".well-known/security.txt": {"GET": (404,) * 6},
    ".well-known/change-password": {"GET": (302,) * 6},
    "projects/": {"GET": (LOGIN, 200, 200, 200, 200, 200)},
    "notifications/": {"GET": (LOGIN, 200, 200, 200, 200, 200), "POST": (LOGIN, 302, 302, 302, 302, 302)},
    "projects/new/": {"GET": (LOGIN, 200, 200, 200, 200, 200), "POST": (LOGIN, 302, 302, 302, 302, 302)},
    PROJECT: {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    PROJECT + "start/": {"GET": (LOGIN, 404, 403, 200, 200, 404)},
    PROJECT + "settings/": {"GET": (LOGIN, 404, 200, 200, 200, 404), "POST": (LOGIN, 404, 403, 403, 302, 404)},
    PROJECT + "activity/": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    PROJECT + "activity.csv": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    PROJECT + "usage/": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    PROJECT + "usage.csv": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    PROJECT + "mails/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    PROJECT + "delete/": {"GET": (LOGIN, 404, 403, 403, 200, 404), "POST": (LOGIN, 404, 403, 403, 302, 404)},
    PROJECT + "members/": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    # The only owner reads why they cannot leave.
    PROJECT + "members/leave/": {"GET": (LOGIN, 404, 200, 200, 200, 404), "POST": (LOGIN, 404, 302, 302, 422, 404)},
    MEMBER + "role/": {"POST": (LOGIN, 404, 403, 403, 302, 404)},
    MEMBER + "remove/": {"GET": (LOGIN, 404, 403, 403, 200, 404), "POST": (LOGIN, 404, 403, 403, 302, 404)},
    PROJECT + "invitations/": {"POST": (LOGIN, 404, 403, 403, 302, 404)},
    INVITATION + "resend/": {"POST": (LOGIN, 404, 403, 403, 302, 404)},
    INVITATION + "link/": {"POST": (LOGIN, 404, 403, 403, 200, 404)},
    INVITATION + "revoke/": {"GET": (LOGIN, 404, 403, 403, 200, 404), "POST": (LOGIN, 404, 403, 403, 302, 404)},
    # Nobody here has opened a link. tests/projects/invitations has the people who have.
    "invitations/": {"GET": (404,) * 6},
    "invitations/<str:token>/": {"GET": (302,) * 6},
    "invitations/accept/": {"POST": (302,) * 6},
    "invitations/switch-account/": {"POST": (302,) * 6},
    "invitations/ask/": {"POST": (302,) * 6},
    PROJECT + "show-once/": {"GET": (LOGIN, 404, 403, 403, 200, 404), "POST": (LOGIN, 404, 403, 403, 302, 404)},
    PROJECT + "keep-secrets/": {"POST": (LOGIN, 404, 403, 403, 302, 404)},
    PROJECT + "keys/new/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY: {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    KEY + "edit/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "end/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "pause/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "pause-for/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "keep-paused/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    # The key is not paused, so its page follows, and says so.
    KEY + "pause-end/": {"GET": (LOGIN, 404, 403, 302, 302, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "resume/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    # The key is not restricted to addresses, so its page follows, and says so.
    KEY + "allow-address/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "try/": {"GET": (LOGIN, 404, 200, 200, 200, 404)},
    KEY + "copy/": {"POST": (LOGIN, 404, 403, 200, 200, 404)},
    KEY + "reveal/": {"POST": (LOGIN, 404, 403, 200, 200, 404)},
    KEY + "first-request/": {"GET": (LOGIN, 404, 302, 302, 302, 404)},
    KEY + "delete/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    # The owner is responsible for the key already, and the form names no other member.
    KEY + "hand-over/": {"GET": (LOGIN, 404, 403, 403, 200, 404), "POST": (LOGIN, 404, 403, 403, 422, 404)},
    # The key is offered to nobody, so its page follows, and says so.
    KEY + "offer/accept/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "offer/decline/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "offer/withdraw/": {"POST": (LOGIN, 404, 403, 403, 302, 404)},
    KEY + "roll/": {"GET": (LOGIN, 404, 403, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 302, 404)},
    KEY + "roll/extend/": {"POST": (LOGIN, 404, 403, 302, 302, 404)},
    # The API accepts only keys: a signed-in person gets the same answer as a stranger.
    "api/v1/verify": dict.fromkeys(("GET", "OPTIONS", *UNSAFE), (401,) * 6),
    "api/v1/verify/<the_clients:below>": dict.fromkeys(("GET", "OPTIONS", *UNSAFE), (401,) * 6),
    "api/v1/me": {"GET": (401,) * 6, "OPTIONS": (204,) * 6},
    "api/v1/files": {"GET": (401,) * 6, "POST": (401,) * 6, "OPTIONS": (204,) * 6},
    FILE: {"GET": (401,) * 6, "DELETE": (401,) * 6, "OPTIONS": (204,) * 6},
    FILE + "/content": {"GET": (401,) * 6, "OPTIONS": (204,) * 6},
    # Reports need no key; a report without a secret is rejected. GitHub's reports are accepted as soon as its public
    # keys are known (test_github_reports.py).
    "api/v1/report": {"POST": (400,) * 6, "OPTIONS": (204,) * 6},
    "api/v1/report/github": {"POST": (404,) * 6, "OPTIONS": (204,) * 6},
    "api/v1/openapi.json": {"GET": (200,) * 6, "OPTIONS": (204,) * 6},
    "api/v1/docs": {"GET": (200,) * 6, "OPTIONS": (204,) * 6},
}

# The data with which a POST succeeds for a person who has the right.
BODIES = {
    "projects/new/": {"name": "Another project"},
    PROJECT + "settings/": {"name": "Renamed"},
    PROJECT + "mails/": {"created": "on"},
    PROJECT + "delete/": {"confirmation": "Acme Weather"},
    PROJECT + "show-once/": {"confirmation": "Acme Weather"},
    PROJECT + "keys/new/": {"name": "Staging"},
    MEMBER + "role/": {"role": "developer"},
    PROJECT + "invitations/": {"emails": "new@example.com", "role": "developer"},
    KEY + "edit/": {"name": "Renamed"},
    KEY + "pause-for/": {"length": "5m"},
    KEY + "pause-end/": {"length": "5m"},
    KEY + "roll/": {"overlap": "24h"},
}

ROUTES = {route.pattern: route for route in all_routes()}
OURS = [route for route in ROUTES.values() if route.is_page or route.is_api]
OF_A_PROJECT = [route for route in OURS if "project_id" in route.pattern]


def name_of(route: Route) -> str:
    return route.pattern or "home"


def expected(pattern: str, method: str, persona: str) -> int | str:
    """What the table says, for those too who get the answers of another persona."""
    row, persona = ACCESS[pattern], AS_ANOTHER.get(persona, persona)
    if statuses := row.get("GET" if method == "HEAD" else method):
        return statuses[PERSONAS.index(persona)]
    return LOGIN if persona == "anonymous" and LOGIN in next(iter(row.values())) else 405


_RANDOM = re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]+|req_[0-9A-Za-z]{16}')
_RANDOM_HEADERS = {"X-Request-Id", "Expires"}
_OWN_IDS = re.compile(r"(prj|key|file|usr|inv)_[0-9A-Za-z]{16}")


def seen(answer: Any) -> tuple[int, str, dict[str, str]]:
    """Everything in an answer that could tell a stranger about it, without random tokens, times and the ids in the
    request.
    """
    headers = {
        name: _OWN_IDS.sub("id", _RANDOM.sub(r"\1", value))
        for name, value in answer.headers.items()
        if name not in _RANDOM_HEADERS
    }
    return answer.status_code, _OWN_IDS.sub("id", _RANDOM.sub(r"\1", answer.content.decode())), headers


MODELS: tuple[type[models.Model], ...] = (Project, Membership, Invitation, ApiKey, AuditEvent, File, User)


def recently_signed_in(user: User, signed_in: Callable[..., Client]) -> Client:
    """A client of a person with a confirmed address, who signed in so recently that no page asks for the password."""
    EmailAddress.objects.get_or_create(user=user, email=user.email, primary=True, verified=True)
    client = signed_in(user)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    return client
