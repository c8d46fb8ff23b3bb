"""Accounts are deactivated, not deleted: the admin's warning, the keys that stop, and the people who are told."""

import re
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services import SHOWN
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from projects.audit_log.models import AuditEvent
from projects.permissions import Role
from tests.support.calls.api_client import bearer
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db

MANY = 3_000


@pytest.fixture
def site(admin, signed_in):
    return signed_in(admin)


def page_of(name: str, user: User) -> str:
    return reverse(f"admin:accounts_user_{name}", args=[user.pk])


def words(answer) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", answer.content.decode())).split())


def test_the_page_names_the_keys_that_stop_and_the_projects_that_nobody_else_owns(site, project, owner, outsider):
    shared = ProjectFactory(name="Tides")
    for user in (owner, outsider):
        MembershipFactory(project=shared, user=user)
    create_key(project=project, name="Production server", by=owner)
    create_key(project=shared, name="Buoy", by=owner)
    create_key(project=shared, name="Not theirs", by=outsider)
    pause_key(key=create_key(project=project, name="Paused", by=owner).key, by=owner)
    delete_key(key=create_key(project=project, name="Deleted", by=owner).key, by=owner)
    page = words(site.get(page_of("deactivate", owner)))
    assert (
        "Active API keys for which this account is responsible: 2 Requests using these keys are rejected at once, "
        "with 403 forbidden. To deactivate the account without stopping them, have them handed over first" in page
    )
    assert "Production server in Acme Weather" in page
    assert "Buoy in Tides" in page
    assert "Projects that have no other active owner: 1 Nobody can manage them until you make someone" in page
    assert f"Acme Weather ({project.public_id})" in page
    assert not [name for name in ("Not theirs", "Paused", "Deleted", shared.public_id) if name in page]
    assert ApiKey.objects.filter(state="active").count() == 3


def test_a_deactivation_does_what_its_page_says(site, client, signed_in, project, owner, outsider):
    MembershipFactory(project=project, user=outsider)
    theirs, other = (create_key(project=project, name=user.email, by=user) for user in (owner, outsider))
    person = signed_in(owner)
    assert "Deactivated the account owner@example.com." in words(site.post(page_of("deactivate", owner), follow=True))
    answer = client.get("/api/v1/me", headers=bearer(theirs.secret))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert client.get("/api/v1/me", headers=bearer(other.secret)).status_code == 200
    assert person.get(reverse("projects:list")).status_code == 302
    site.post(page_of("reactivate", owner))
    assert client.get("/api/v1/me", headers=bearer(theirs.secret)).status_code == 200
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        "Deactivated.",
        "Reactivated.",
    ]


def test_owners_of_the_projects_whose_keys_stop_are_told_once_each(site, project, owner, outsider, viewer, told):
    second = MembershipFactory(project=project, user=UserFactory(email="second@example.com")).user
    shared = ProjectFactory(name="Tides")
    MembershipFactory(project=shared, user=second)
    for number in range(2):
        ApiKeyFactory(project=project, responsible=owner, name=f"Key {number}")
    ApiKeyFactory(project=shared, responsible=owner)
    for name, subject in (("deactivate", "Account deactivated"), ("reactivate", "Account reactivated")):
        found = told(site.post, page_of(name, owner))
        assert sorted(address for message in found for address in message.to) == [owner.email, second.email]
        [message] = [message for message in found if message.to == [second.email]]
        assert message.subject == f"[Latchkey] {subject}: owner@example.com"
        for line in ("Project: Acme Weather (2 keys)", "Project: Tides (1 key)", "By: admin@example.com"):
            assert f"{line}\n" in message.body
        assert told(site.post, page_of(name, owner)) == []


@pytest.mark.slow
def test_3_000_keys_cost_the_page_and_the_deactivation_no_more_than_three(site, project, owner, told):
    ApiKeyFactory.create_batch(3, project=project)
    with CaptureQueriesContext(connection) as few:
        site.get(page_of("deactivate", owner))
        told(site.post, page_of("deactivate", owner))
    site.post(page_of("reactivate", owner))
    shared = {"project": project, "responsible": owner, "secret": "", "mask": "", "pepper_id": "k1"}
    plain = {"ciphertext": None, "ring_key_id": ""}
    rows = (ApiKeyFactory.build(**shared, **plain, digest=number.to_bytes(32, "big")) for number in range(MANY))
    ApiKey.objects.bulk_create(rows)
    with CaptureQueriesContext(connection) as found:
        page = words(site.get(page_of("deactivate", owner)))
        told(site.post, page_of("deactivate", owner))
    assert len(found) == len(few)
    assert "Active API keys for which this account is responsible: 3,003" in page
    assert f"and {MANY + 3 - SHOWN:,} more" in page
    assert page.count("in Acme Weather") == SHOWN


def test_a_project_with_many_keys_is_deleted_in_as_many_queries_as_one_with_few(site, owner):
    counts = []
    for keys in (3, 300):
        project = MembershipFactory(user=owner).project
        ApiKeyFactory.create_batch(keys, project=project)
        with CaptureQueriesContext(connection) as found:
            site.post(reverse("admin:projects_project_delete", args=[project.pk]), {"post": "yes"})
        assert not project.api_keys.alive().exists()
        assert AuditEvent.objects.filter(project=project, kind="deleted").count() == keys
        counts.append(len(found))
    assert counts[1] <= counts[0] + 3  # events are inserted in batches on SQLite


def test_nobody_is_deleted_and_the_old_address_leads_on(site, owner, outsider):
    assert site.get(page_of("delete", owner))["Location"] == page_of("deactivate", owner)
    assert site.post(page_of("delete", owner), {"post": "yes"}).status_code == 403
    site.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "delete_selected", "_selected_action": [owner.pk, outsider.pk], "post": "yes"},
    )
    assert User.objects.filter(pk__in=[owner.pk, outsider.pk]).count() == 2
    page = site.get(page_of("change", owner)).content.decode()
    assert "Deactivate…" in page
    assert "deletelink" not in page


def test_nobody_deactivates_themselves(site, admin):
    assert site.post(page_of("deactivate", admin)).status_code == 403
    admin.refresh_from_db()
    assert admin.is_active


def test_the_owner_of_nothing_is_deactivated_without_an_email(site, told):
    user = UserFactory()
    assert "Nothing is deleted." in words(site.get(page_of("deactivate", user)))
    assert told(site.post, page_of("deactivate", user)) == []
    user.refresh_from_db()
    assert not user.is_active


def test_viewers_are_not_told(site, project, owner, viewer, told):
    ApiKeyFactory(project=project, responsible=viewer)
    assert [message.to for message in told(site.post, page_of("deactivate", viewer))] == [[owner.email]]
    assert project.memberships.get(user=viewer).role == Role.VIEWER
