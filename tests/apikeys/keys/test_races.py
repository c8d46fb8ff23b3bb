"""Two actions at once, in real threads with their own connections."""

import re
from functools import partial

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apikeys.keys import pausing, services
from apikeys.keys.key_errors import KeyGone
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from projects.audit_log.models import AuditEvent
from projects.files.storage import _insert_within_quota
from projects.models import File, Project
from projects.services import delete_project
from tests.support.environment import ON_SQLITE
from tests.support.factories import ApiKeyFactory, UserFactory
from tests.support.people.sessions import log_in
from tests.support.programs.parallel import in_parallel, rounds_in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 60 if ON_SQLITE else 300
POSTS = 20


@pytest.mark.parametrize("change", [pausing.pause_key, pausing.resume_key], ids=["pause", "resume"])
def test_no_race_brings_a_deleted_key_back(transactional_db, project, owner, change):
    """T12"""
    keys = ApiKeyFactory.create_batch(ROUNDS, project=project)
    if change is pausing.resume_key:
        for key in keys:
            pausing.pause_key(key=key, by=owner)
    copies = zip(ApiKey.objects.order_by("pk"), ApiKey.objects.order_by("pk"), strict=True)
    rounds = [
        [partial(services.delete_key, key=one, by=owner), partial(change, key=another, by=owner)]
        for one, another in copies
    ]
    for deletion, other in rounds_in_parallel(rounds):
        assert deletion is True
        # The other action came first, or it was told that the key is gone. Where the two overlap, True and KeyGone are
        # both right.
        assert other is True or isinstance(other, KeyGone)
    assert not ApiKey.objects.exclude(state=KeyState.DELETED, ciphertext=None).exists()
    assert AuditEvent.objects.filter(kind="deleted").count() == ROUNDS
    # A key's deletion is its last event.
    for key in keys:
        assert key.events.order_by("pk").last().kind == "deleted"


def test_deleting_at_once_from_many_sides_writes_one_event(transactional_db, api_key, owner):
    answers = in_parallel([partial(services.delete_key, key=ApiKey.objects.get(), by=owner)] * 8)
    assert sorted(answers) == [False] * 7 + [True]
    assert api_key.events.filter(kind="deleted").count() == 1


def test_no_secret_is_read_after_the_answer_to_a_delete(transactional_db, project, owner):
    keys = ApiKeyFactory.create_batch(20, project=project)
    rounds_in_parallel(
        [
            [partial(services.delete_key, key=ApiKey.objects.get(pk=key.pk), by=owner)]
            + [partial(services.copy_secret, key=ApiKey.objects.get(pk=key.pk), by=owner)] * 3
            for key in keys
        ]
    )
    for key in keys:
        assert key.events.order_by("pk").last().kind == "deleted"


def test_no_key_is_born_into_a_project_that_is_being_deleted(transactional_db, owner, project):
    in_parallel(
        [partial(delete_project, project=project, by=owner)]
        + [partial(services.create_key, project=project, name=f"Key {n}", by=owner) for n in range(6)]
    )
    assert not project.api_keys.alive().exists()


def test_keys_that_are_created_at_once_stay_within_the_limit(transactional_db, owner, project, settings):
    settings.MAX_KEYS_PER_PROJECT = 5
    in_parallel([partial(services.create_key, project=project, name=f"Key {n}", by=owner) for n in range(12)])
    assert project.api_keys.alive().count() == 5


def test_one_name_is_taken_once(transactional_db, owner, project):
    in_parallel([partial(services.create_key, project=project, name="Same", by=owner)] * 12)
    assert project.api_keys.alive().count() == 1


def submitted_at_once(url: str, user, fields: dict[str, str]) -> list[int]:
    """The status codes of POSTS submissions of one form, each by its own client."""
    clients = [Client() for _ in range(POSTS)]
    for client in clients:
        log_in(client, user)

    def post(client: Client) -> int:
        return client.post(url, fields).status_code

    return in_parallel([partial(post, client) for client in clients])


def form_token(client: Client, url: str) -> str:
    """The token in the page's form, as a browser would send it."""
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(url).content.decode())
    assert found
    return found[1]


def test_a_key_form_that_is_posted_20_times_creates_one_key(transactional_db, signed_in, project, owner):
    """T14"""
    url = reverse("apikeys:create", args=[project.public_id])
    fields = {"name": "Production server", "form_token": form_token(signed_in(owner), url)}
    assert submitted_at_once(url, owner, fields) == [302] * POSTS
    assert project.api_keys.count() == 1
    assert AuditEvent.objects.count() == 1


def test_a_project_form_that_is_posted_20_times_creates_one_project(transactional_db, signed_in):
    """T14"""
    user = UserFactory()
    url = reverse("projects:create")
    fields = {"name": "Acme Weather", "form_token": form_token(signed_in(user), url)}
    assert submitted_at_once(url, user, fields) == [302] * POSTS
    assert Project.objects.get().memberships.get().user == user


@pytest.mark.skipif(ON_SQLITE, reason="SQLite has one writer at a time")
def test_a_key_that_uploads_does_not_hold_up_its_own_end(transactional_db, project, owner):
    """T11, T34: an upload locks the project while it adds up the files. A pause needs the same lock for its event."""
    paused, reported = (services.create_key(project=project, name=name, by=owner) for name in ("One", "Two"))
    stop = [
        partial(pausing.pause_key, key=paused.key, by=owner),
        partial(services.report_leak, secret=reported.secret),
    ]
    with transaction.atomic():
        _insert_within_quota(File(project=project, created_by=owner, name="a", content_type="text/plain", size=1))
        assert [type(answer) for answer in in_parallel(stop)] == [bool, ApiKey]
