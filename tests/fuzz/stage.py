"""The targets and the senders of attacks: rows in the database, and a session for each person."""

import time
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from django.apps import apps
from django.conf import settings
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.sessions.store import digest_of
from apikeys.keys.services import create_key
from apikeys.secrets.secret_format import generate
from projects.invitations.services import invite
from projects.models import Membership
from projects.permissions import Role
from tests.support.factories import FileFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.support.places.routes import NEVER, Route

# The signed-in persons and their rights: `stranger` has a project of their own, `helper` may read the admin.
PEOPLE = ("stranger", "viewer", "owner", "helper", "admin")
NOBODY = "nobody"
RANDOM_CHARACTERS = 30


class Stage:
    """A project with a key and a file, owned by `owner`. `words` are the texts that attacks refer to by name."""

    def __init__(self) -> None:
        staff = {"helper": {"is_staff": True}, "admin": {"is_staff": True, "is_superuser": True}}
        self.people: dict[str, User] = {name: UserFactory(**staff.get(name, {})) for name in PEOPLE}
        self.people["helper"].user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        self.project, self.key, secret = self._make_project("owner")
        MembershipFactory(project=self.project, user=self.people["viewer"], role=Role.VIEWER)
        self.file = FileFactory(project=self.project)
        [self.invitation] = invite(
            project=self.project, emails=["invited@example.com"], role=Role.VIEWER, by=self.people["owner"]
        )
        own_project, own_key, own_secret = self._make_project("stranger")
        self.secrets = (secret, own_secret)
        decoy = generate(settings.KEY_PREFIX)
        self.random_parts = [_random_part(secret) for secret in self.secrets]
        self.decoy = _random_part(decoy)
        self.words = {
            "secret": secret,
            "random": self.random_parts[0].decode(),
            "own_secret": own_secret,
            "decoy": decoy,
            "project_id": self.project.public_id,
            "key_id": self.key.public_id,
            "file_id": self.file.public_id,
            "user_id": self.people["viewer"].public_id,
            "invitation_id": self.invitation.public_id,
            "own_project_id": own_project.public_id,
            "own_key_id": own_key.public_id,
            "name": "Production server",
            "project_name": self.project.name,
            "email": self.people["owner"].email,
            "id": str(self.people["owner"].pk),
            **{f"never_{name}": value for name, value in NEVER.items()},
        }
        self.sessions = {name: self._sign_in(user) for name, user in self.people.items()}
        self._memberships = set(Membership.objects.values_list("pk", "role"))

    def _make_project(self, owner: str) -> tuple[Any, Any, str]:
        user = self.people[owner]
        project = ProjectFactory(created_by=user)
        MembershipFactory(project=project, user=user, role=Role.OWNER)
        return project, *create_key(project=project, name="Production server", by=user)

    def _sign_in(self, user: User) -> str:
        """The id of a session that has just confirmed who it is, so that no page asks."""
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
        client = Client()
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time(), "email": user.email}]
        session.save()
        return str(session.session_key)

    def is_whole(self) -> bool:
        """Whether everything that further attacks need is still there."""
        self.project.refresh_from_db()
        self.key.refresh_from_db()
        passwords = User.objects.filter(pk__in=[user.pk for user in self.people.values()], is_active=True)
        return (
            self.project.deleted_at is None
            and self.key.is_active
            and self.key.restrictions is None
            and self.project.limits is None
            and self.project.files.filter(pk=self.file.pk).exists()
            and {user.password for user in passwords} == {user.password for user in self.people.values()}
            and Session.objects.filter(pk__in=map(digest_of, self.sessions.values())).count() == len(PEOPLE)
            and set(Membership.objects.values_list("pk", "role")) >= self._memberships
        )

    def row_of(self, route: Route) -> str:
        """The id of a row of the model that a page of the admin shows."""
        parts = route.pattern.split("/")
        if not route.is_admin or len(parts) < 4 or parts[1] not in apps.app_configs:
            return "1"
        row = apps.get_model(parts[1], parts[2])._default_manager.order_by("pk").first()
        return str(quote(row.pk)) if row else "1"

    def fill(self, text: str, route: Route) -> str:
        """`text` with each «name» replaced by the word of that name."""
        if "«" in text:
            for name, word in self.words.items():
                text = text.replace(f"«{name}»", word)
            if "«row»" in text:
                text = text.replace("«row»", self.row_of(route))
        return text


def _random_part(secret: str) -> bytes:
    """The characters that make it a secret, which must never come back."""
    return secret.partition("_")[2][:RANDOM_CHARACTERS].encode()


def forget_limits() -> None:
    """Otherwise the limits on sign-ins and codes would answer every later request with 429."""
    cache.clear()
