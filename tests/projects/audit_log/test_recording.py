"""Events are written in the transaction of their change: new names, email settings and deleted files."""

from contextlib import suppress

import pytest
from django.db import transaction
from django.urls import reverse

from apikeys import audit_kinds as of_keys
from apikeys.keys import services
from apikeys.models import ApiKey
from projects import audit_kinds
from projects.audit_log.models import AuditEvent
from projects.audit_log.recording import record
from projects.files.storage import delete_file
from projects.models import File, Project
from projects.services import choose_mails, rename_project
from tests.support.calls.api_client import bearer, secret_of
from tests.support.factories import FileFactory
from tests.support.people.emails import ALL, HOME

pytestmark = pytest.mark.django_db


def last() -> tuple[str, str, str, str | None, object]:
    event = AuditEvent.objects.latest("pk")
    return event.kind, event.before, event.after, event.address, event.by


@pytest.mark.django_db(transaction=True)
def test_an_event_is_recorded_in_a_transaction_or_not_at_all(project, owner):
    with pytest.raises(transaction.TransactionManagementError):
        record(audit_kinds.PROJECT_RENAMED, project=project, by=owner, address=None, before="A", after="B")
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["rename", "choose", "delete"])
def test_without_its_event_nothing_changes(act, project, owner, monkeypatch):
    file = FileFactory(project=project)
    monkeypatch.setattr(AuditEvent, "save", None)
    acts = {
        "rename": lambda: rename_project(project=project, name="Other", by=owner),
        "choose": lambda: choose_mails(project=project, by=owner, choice=ALL | {"created": False}),
        "delete": lambda: delete_file(file=file, by=owner),
    }
    with suppress(TypeError):
        acts[act]()
    assert Project.objects.get(pk=project.pk).name == "Acme Weather"
    assert project.memberships.get(user=owner).mail_created
    assert File.objects.filter(pk=file.pk).exists()


def test_a_new_name_of_a_project_is_an_event_with_both_names_and_the_same_name_is_none(project, owner, signed_in):
    page = reverse("apikeys:settings", args=[project.public_id])
    for name in ("Acme Climate", "Acme Climate"):
        assert signed_in(owner).post(page, {"name": name}).status_code == 302
    assert last() == ("project_renamed", "Acme Weather", "Acme Climate", "127.0.0.1", owner)
    assert AuditEvent.objects.count() == 1


def test_a_new_name_by_the_admin_is_an_event_too(project, owner, admin, signed_in):
    page = reverse("admin:projects_project_change", args=[project.pk])
    rows = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    assert signed_in(admin).post(page, {"name": "Acme Climate", **rows}).status_code == 302
    assert last() == ("project_renamed", "Acme Weather", "Acme Climate", "127.0.0.1", admin)


def test_another_choice_of_emails_is_an_event_and_the_same_choice_is_none(project, owner, signed_in):
    page = reverse("projects:mails", args=[project.public_id])
    for _ in range(2):
        assert signed_in(owner).post(page, {"created": "on", "reported": "on"}).status_code == 302
    before = "created, deleted, revealed, reported, ending"
    assert last() == ("notifications_changed", before, "created, reported", "127.0.0.1", owner)
    assert AuditEvent.objects.count() == 1
    choose_mails(project=project, by=owner, choice=dict.fromkeys(ALL, False))
    assert last() == ("notifications_changed", "created, reported", "none", None, owner)


def test_a_deleted_file_is_an_event_with_its_name_and_the_key_that_was_used(client, project, owner, api_key):
    file = FileFactory(project=project, name="forecast.csv")
    path, key = f"/api/v1/files/{file.public_id}", bearer(secret_of(api_key))
    assert [client.delete(path, headers=key).status_code for _ in range(2)] == [204, 404]
    assert last() == ("file_deleted", "forecast.csv", "", "127.0.0.1", owner)
    assert AuditEvent.objects.filter(kind="file_deleted").get().key == api_key


def test_a_renamed_key_is_one_call(project, owner, api_key, told):
    kind, names = of_keys.RENAMED, {"before": "Production server", "after": "Backend"}
    assert told(record, kind, project=project, key=api_key, by=owner, address=HOME, **names) == []
    assert last() == ("renamed", "Production server", "Backend", HOME, owner)


def test_a_deleted_project_writes_the_events_of_all_its_keys_by_as_many_statements_as_of_one(
    project, owner, django_assert_num_queries
):
    for number in range(12):
        services.create_key(project=project, name=f"Key {number}", by=owner)
    with django_assert_num_queries(6):  # a savepoint and its end, a lock, an update, offers that end, an insert
        assert services.delete_keys_of(project=project, by=owner) == 12
    assert AuditEvent.objects.filter(kind="deleted").count() == ApiKey.objects.count() == 12
