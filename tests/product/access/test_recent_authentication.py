"""T21: the most dangerous actions ask for a recent authentication. Everything else works in an old session."""

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.test import Client
from django.urls import reverse

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.models import Project
from tests.support.factories import PASSWORD
from tests.support.people.confirmation import asks, reverse_delete
from tests.support.people.sessions import age
from tests.support.places.access import BODIES
from tests.support.places.pages import FETCH, HTMX, action
from tests.support.places.routes import all_routes
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb

PROJECT = "projects/<project_id:project_id>/"
KEY = PROJECT + "keys/<key_id:key_id>/"
MEMBER = PROJECT + "members/<user_id:user_id>/"
INVITATION = PROJECT + "invitations/<invitation_id:invitation_id>/"

# All of our own URLs that ask.
ASKS = {
    ("GET", PROJECT + "delete/"),
    ("POST", PROJECT + "delete/"),
    ("GET", KEY + "delete/"),
    ("POST", KEY + "delete/"),
    ("GET", KEY + "hand-over/"),
    ("POST", KEY + "hand-over/"),
    ("POST", KEY + "offer/accept/"),
    ("GET", KEY + "roll/"),
    ("POST", KEY + "roll/"),
    ("POST", KEY + "allow-address/"),
    ("POST", KEY + "copy/"),
    ("POST", KEY + "reveal/"),
    ("GET", PROJECT + "keys/new/"),
    ("POST", PROJECT + "keys/new/"),
    ("GET", PROJECT + "show-once/"),
    ("POST", PROJECT + "show-once/"),
    ("POST", PROJECT + "keep-secrets/"),
    ("POST", "notifications/"),
    ("POST", PROJECT + "mails/"),
    ("GET", PROJECT + "members/leave/"),
    ("POST", PROJECT + "members/leave/"),
    ("POST", MEMBER + "role/"),
    ("GET", MEMBER + "remove/"),
    ("POST", MEMBER + "remove/"),
    ("POST", PROJECT + "invitations/"),
    ("POST", INVITATION + "resend/"),
    ("POST", INVITATION + "link/"),
}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def test_exactly_what_would_cost_most_asks(aged, project, api_key, viewer, invitation):
    """T21: pausing must be quick, and so must re-enabling a key that nobody reported."""
    asking = set()
    for route in all_routes():
        if not route.is_page or "switch-account" in route.pattern:
            continue  # that page signs out
        ids = {"project_id": project.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
        path = route.path(**ids, invitation_id=invitation.public_id)
        for way in ("GET", "POST"):
            body = BODIES.get(route.pattern, {}) if way == "POST" else {}
            if asks(getattr(aged, way.lower())(path, body)):
                asking.add((way, route.pattern))
    assert asking == ASKS


@pytest.mark.parametrize("headers", [{}, FETCH, HTMX], ids=["plain", "fetch", "htmx"])
def test_nothing_is_read_or_changed_before_the_answer(aged, project, api_key, headers):
    """T21"""
    data = {"confirmation": project.name}
    before = everything()
    for path in (*(action(n, api_key) for n in ("copy", "reveal", "delete")), reverse_delete(project)):
        answer = aged.post(path, data, headers=headers)
        assert asks(answer)
        assert api_key.secret not in answer.content.decode()
    assert {name for name, rows in everything().items() if rows != before[name]} <= {"django_session"}


def test_a_recent_session_is_not_asked(client, api_key):
    for name in ("copy", "reveal", "delete"):
        assert not asks(client.post(action(name, api_key)))
    assert AuditEvent.objects.filter(key=api_key).count() == 4


@pytest.mark.parametrize(("ago", "asked"), [(7100, False), (7300, True)])
def test_a_session_is_recent_for_two_hours(client, api_key, settings, ago, asked):
    """T21: the default is 2 hours; REAUTHENTICATION_SECONDS changes it."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY][0]["at"] -= ago
    session.save()
    assert asks(client.post(action("copy", api_key))) is asked
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 7200 + (200 if asked else -200)
    assert asks(client.post(action("copy", api_key))) is not asked


def test_strangers_and_viewers_hear_what_they_always_hear(aged, outsider, viewer, project, api_key, signed_in):
    """T16, T21: asking them to confirm would reveal that something exists."""
    others = {404: signed_in(outsider), 403: signed_in(viewer)}
    for status, client in others.items():
        age(client)
        for name in ("copy", "reveal", "delete"):
            assert client.post(action(name, api_key), headers=FETCH).status_code == status
        assert client.post(reverse_delete(project)).status_code == status
    never = action("copy", api_key).replace(api_key.public_id, "key_0000000000000000")
    assert aged.post(never).status_code == 404


def test_a_deleted_key_needs_no_confirmation_to_be_deleted(aged, owner, api_key):
    delete_key(key=api_key, by=owner)
    assert "#api-keys" in aged.post(action("delete", api_key)).headers["Location"]


def test_signing_up_counts_as_signing_in(db):
    """P5: the first key is copied without asking for the password that was just chosen."""
    client = Client()
    client.post("/accounts/signup/", {"email": "new@example.com", "password1": PASSWORD})
    client.post("/projects/new/", {"name": "First"})
    project = Project.objects.get()
    client.post(reverse("apikeys:create", args=[project.public_id]), {"name": "Key"})
    assert client.post(action("copy", ApiKey.objects.get()), headers=FETCH).status_code == 200
    age(client)
    assert asks(client.post(action("copy", ApiKey.objects.get()), headers=FETCH))


def test_signing_in_with_a_password_counts(project, owner, api_key):
    client = Client()
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert client.post(action("copy", api_key), headers=FETCH).json() == {"secret": api_key.secret}


def test_a_session_without_any_record_is_asked(project, owner, api_key):
    """Django admin's own sign-in leaves such a session."""
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    assert asks(client.post(action("copy", api_key)))


def test_a_code_by_mail_does_not_count(aged, api_key):
    """A reset by email proves access to the mailbox. The person then signs in with the new password."""
    session = aged.session
    record = session[AUTHENTICATION_METHODS_SESSION_KEY][0]
    session[AUTHENTICATION_METHODS_SESSION_KEY].append(record | {"method": "password_reset", "at": record["at"] + 7200})
    session.save()
    assert asks(aged.post(action("copy", api_key)))


def test_pausing_in_an_old_session_is_quick(aged, owner, api_key):
    """Pausing is for emergencies. Undo is quick, too."""
    row = f"#row-{api_key.public_id}"
    assert row in aged.post(action("pause", api_key)).headers["Location"]
    api_key.refresh_from_db()
    assert api_key.is_paused
    assert row in aged.post(action("resume", api_key)).headers["Location"]
    pause_key(key=api_key, by=owner)
