"""A request that was to change something and changed nothing is answered as late as a change, whatever its answer says.

The key, the project or the right may have gone just now, by a change whose own answer is still held back.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from accounts.services import deactivate_account
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import delete_key
from apikeys.leases import clocks, held_answers
from apikeys.lifetimes.ends import end_key
from apikeys.models import ApiKey
from projects.members.memberships import change_member
from projects.permissions import Role
from projects.services import delete_project
from tests.apikeys.leases.test_held_answers import held_by, seconds_of

pytestmark = pytest.mark.django_db(transaction=True)


def pages_of_projects(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """The name of each page below a project, with the names of what its address names."""
    for each in (resolver or get_resolver()).url_patterns:
        whole = before + str(each.pattern)
        if isinstance(each, URLResolver):
            if not whole.startswith(("admin", "api", "accounts")):
                space = f"{each.namespace}:" if each.namespace else ""
                yield from ((space + name, named) for name, named in pages_of_projects(each, whole))
        elif isinstance(each, URLPattern) and "<project_id" in whole:
            kinds = ("project_id", "key_id", "user_id", "invitation_id")
            yield str(each.name), {kind for kind in kinds if f"{kind}>" in whole}


PAGES = dict(pages_of_projects())


@pytest.fixture
def key(leased, api_key: ApiKey) -> ApiKey:
    return api_key


@pytest.fixture
def path_of(key, owner) -> Any:
    ids = {"project_id": key.project.public_id, "key_id": key.public_id, "user_id": owner.public_id}
    ids["invitation_id"] = "inv_" + "0" * 16
    return lambda name: reverse(name, kwargs={kind: ids[kind] for kind in PAGES[name]})


def is_late(client: Any, path: str, form: dict[str, Any] | None = None, **headers: str) -> bool:
    return seconds_of(lambda: client.post(path, form or {}, headers=headers)) >= clocks.HELD_SECONDS


def test_the_table_has_the_pages():
    assert {"apikeys:delete", "apikeys:edit", "projects:delete", "projects:leave", "apikeys:copy"} <= PAGES.keys()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_of_a_project_that_was_just_deleted(name, key, owner, signed_in, path_of):
    client = signed_in(owner)
    delete_project(project=key.project, by=None)
    assert is_late(client, path_of(name))


@pytest.mark.parametrize("name", sorted(name for name, named in PAGES.items() if "key_id" in named))
def test_a_page_of_a_key_that_was_just_deleted(name, key, owner, signed_in, path_of):
    client = signed_in(owner)
    delete_key(key=key, by=None)
    assert is_late(client, path_of(name))


def test_a_script_that_copies_a_key_that_was_just_deleted(key, owner, signed_in, path_of):
    client = signed_in(owner)
    delete_key(key=key, by=None)
    assert is_late(client, path_of("apikeys:copy"), Accept="application/json")


@pytest.mark.parametrize("name", ["apikeys:pause_for", "apikeys:change_end_of_pause"])
@pytest.mark.parametrize("change", [pause_key, end_key])
def test_a_form_that_is_wrong_and_tells_how_the_key_is(change, name, key, owner, signed_in, path_of):
    client = signed_in(owner)
    change(key=key, by=None)
    assert is_late(client, path_of(name))


def test_a_page_whose_right_was_just_lost(key, project, developer, signed_in, path_of):
    client = signed_in(developer)
    change_member(project=project, user=developer, role=Role.VIEWER, by=None)
    assert is_late(client, path_of("apikeys:pause"))


@pytest.fixture
def staff(signed_in) -> Any:
    return signed_in(User.objects.create_superuser("root@x.example"))


@pytest.mark.parametrize("page", ["delete", "change", "limits", "make-owner"])
def test_an_admin_page_of_a_project_that_was_just_deleted(page, key, staff):
    delete_project(project=key.project, by=None)
    assert is_late(staff, f"/admin/projects/project/{key.project.pk}/{page}/", {"post": "yes"})


def test_an_admin_page_of_a_key_that_was_just_deleted(key, staff):
    delete_key(key=key, by=None)
    assert is_late(staff, f"/admin/apikeys/apikey/{key.pk}/restrict/")
    assert is_late(staff, "/admin/apikeys/apikey/", {"action": "re_enable", "_selected_action": [key.pk]})


def test_an_admin_page_of_an_account_that_was_just_deactivated(key, developer, staff):
    deactivate_account(user=developer, by=None)
    assert is_late(staff, f"/admin/accounts/user/{developer.pk}/deactivate/")


# What need not wait


def wait_for_nobody(monkeypatch: Any) -> None:
    def until(moment: float) -> None:
        assert moment <= clocks.now(), "it waited"

    monkeypatch.setattr(held_answers, "_sleep_until", until)


@pytest.fixture
def nobody_waits(leased, monkeypatch) -> None:
    wait_for_nobody(monkeypatch)


def test_a_change_that_takes_nothing_away_is_answered_at_once(nobody_waits, key, owner, signed_in, path_of):
    client = signed_in(owner)
    assert client.post(path_of("apikeys:create"), {"name": "Other"}).status_code == 302
    assert client.post(path_of("apikeys:copy"), headers={"Accept": "application/json"}).status_code == 200
    assert client.post(path_of("apikeys:settings"), {"name": "Renamed"}).status_code == 302
    form = {"name": "Renamed", "seen_name": key.name}
    assert client.post(path_of("apikeys:edit"), form).status_code == 302


def test_nobody_who_is_not_signed_in_waits(nobody_waits, key, client, path_of):
    assert client.post(path_of("apikeys:delete")).status_code == 302
    assert client.post("/accounts/login/", {"login": "a@x.example", "password": "wrong"}).status_code == 200


def test_signing_in_waits_for_nobody(nobody_waits, client, settings):
    settings.SIGN_IN = "oidc"
    password = "correct horse battery"
    User.objects.create_superuser("root@x.example", password)
    answer = client.post("/admin/login/", {"login": "root@x.example", "password": password})
    assert (answer.status_code, "_auth_user_id" in client.session) == (302, True)


def test_a_page_that_is_only_read_is_answered_at_once(key, owner, signed_in, path_of, monkeypatch):
    client = signed_in(owner)
    delete_project(project=key.project, by=None)
    wait_for_nobody(monkeypatch)
    assert client.get(path_of("apikeys:delete")).status_code == 404


def test_an_answer_that_finds_no_place_says_so_and_holds_no_thread(leased, key, owner, signed_in, path_of, monkeypatch):
    monkeypatch.setattr(held_answers, "_was_registered", True)
    client, give_back = signed_in(owner), held_by(held_answers.CHANGES, owner.public_id)
    try:
        answer = client.post(path_of("apikeys:settings"), {"name": ""})
    finally:
        give_back()
    assert answer.status_code == 503
    assert held_answers.MESSAGE_AFTERWARDS in answer.text
