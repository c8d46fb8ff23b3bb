"""A key whose creator's account was deactivated, as people see it: its calls are rejected, whatever its own state."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from tests.support.factories import ApiKeyFactory, MembershipFactory, UserFactory
from tests.support.places.pages import HTMX, action, page, text

WHY = "Rejected: the account of the person responsible for it is deactivated."


@pytest.fixture
def colleague(project) -> User:
    user: User = UserFactory()
    MembershipFactory(user=user, project=project)
    return user


@pytest.fixture
def shut(project, colleague) -> ApiKey:
    """An active key whose calls are rejected."""
    new = create_key(project=project, name="Nightly backup", by=colleague)
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    assert verify(f"Bearer {new.secret}").code == "forbidden"
    return new.key


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def badges(answer: Any) -> list[str]:
    found = re.findall(r'<span class="badge \w+">(.*?)</span>', answer.content.decode(), re.S)
    return [re.sub(r"<[^>]+>", "", badge).strip() for badge in found]


@pytest.mark.parametrize("name", ["dashboard", "settings", "onboarding"])
def test_every_page_with_the_key_says_that_it_is_refused_and_why(name, shut, client):
    answer = client.get(page(f"apikeys:{name}", shut.project))
    assert badges(answer) == ["Account deactivated"]
    assert f"{WHY} Take this key over" in text(answer)
    assert f'href="{action("roll", shut)}"' in answer.content.decode()


def test_usage_says_it_in_the_list_and_of_the_key(shut, client):
    usage = page("apikeys:usage", shut.project)
    for query in ({}, {"key": shut.public_id}):
        assert badges(client.get(usage, query)) == ["Account deactivated"]


def test_a_viewer_is_told_too_but_offered_nothing(shut, viewer, signed_in):
    answer = signed_in(viewer).get(page("apikeys:dashboard", shut.project))
    assert WHY in text(answer)
    assert page("apikeys:create", shut.project) not in answer.content.decode()


def test_quick_start_chooses_a_key_of_an_active_account_and_its_picker_marks_the_others(shut, client, owner):
    working = create_key(project=shut.project, name="Production server", by=owner).key
    ApiKey.objects.filter(pk=working.pk).update(created_at="2020-01-01T00:00Z")
    dashboard = page("apikeys:dashboard", shut.project)
    answer = client.get(dashboard)
    assert badges(answer) == ["Active", "Rejected"]
    assert WHY not in text(answer)
    pause_key(key=working, by=owner)
    assert badges(client.get(dashboard)) == ["Paused", "Paused", "Rejected"]
    assert WHY in text(client.get(dashboard, {"key": shut.public_id}))


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_re_enabling_it_does_not_promise_that_requests_are_let_in(shut, client, owner, headers):
    pause_key(key=shut, by=owner)
    row = client.get(page("apikeys:settings", shut.project))
    assert (badges(row), WHY in text(row)) == (["Paused"], True)
    answer = client.post(action("resume", shut), headers=headers, follow=True)
    still = "Requests using it are still rejected: its status is Account deactivated."
    assert f"Re-enabled Nightly backup. {still}" in text(answer)
    assert (badges(answer), WHY in text(answer)) == (["Account deactivated"], True)
    again = client.post(action("resume", shut), headers=headers, follow=True)
    assert "Nightly backup was not paused, and its status is Account deactivated." in text(again)


def test_a_key_that_expired_while_it_was_paused_is_said_to_be_expired(client, project, owner):
    key = ApiKeyFactory(project=project, name="Staging")
    pause_key(key=key, by=owner)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    answer = client.post(action("resume", key), follow=True)
    assert "Re-enabled Staging. Requests using it are still rejected: its status is Expired." in text(answer)


def test_a_deleted_key_is_shown_as_deleted(shut, client, owner):
    delete_key(key=shut, by=owner)
    answer = client.get(page("apikeys:settings", shut.project), {"state": "deleted"})
    assert (badges(answer), WHY in text(answer)) == (["Deleted"], False)


def test_listkeys_names_the_deactivated_creator(shut, capsys):
    call_command("listkeys", shut.project.public_id)
    assert "  Account deactivated  " in capsys.readouterr().out


def test_an_owner_is_offered_to_take_the_key_over_and_no_switch_is_on(shut, client):
    """Nor is anybody advised to delete it because nothing uses it any more: it is rejected."""
    ApiKey.objects.filter(pk=shut.pk).update(last_used_at=timezone.now() - timedelta(days=3))
    for answer in (client.get(page("apikeys:settings", shut.project)), client.get(action("key", shut))):
        assert f'id="take-over-{shut.public_id}"' in answer.content.decode()
        assert "switch is-on" not in answer.content.decode()
        assert "you can delete it" not in text(answer)
