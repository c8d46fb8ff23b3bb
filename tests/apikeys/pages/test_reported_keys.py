"""A key that was reported as leaked, as people see it."""

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.keys import pausing, services
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.models import Project
from tests.support.places.pages import HTMX, action

pytestmark = pytest.mark.django_db

WHY = "This key was reported as leaked."
WHAT_TO_DO = "Roll it, switch your programs to the new key, then delete this one."
BADGE = "Reported as leaked"
MEANWHILE = "was reported as leaked in the meantime and stays paused. Nothing was changed."
# The field of the forms on a page that shows the report.
SEEN = {"seen": "reported"}
WITH_AND_WITHOUT_SCRIPT = pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])


@pytest.fixture
def reported(api_key) -> ApiKey:
    services.report_leak(secret=api_key.secret, address="203.0.113.9")
    api_key.refresh_from_db()
    return api_key


def text(client: Client, name: str, project: Project, query: str = "") -> str:
    answer = client.get(reverse(f"apikeys:{name}", args=[project.public_id]) + query)
    return words(answer)


def words(answer: Any) -> str:
    plain = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())
    return re.sub(r" (?=[,.])", "", plain)


@pytest.mark.parametrize("name", ["dashboard", "settings", "onboarding"])
def test_every_page_with_the_key_says_that_it_was_reported_and_what_to_do(name, reported, owner, signed_in):
    page = text(signed_in(owner), name, reported.project)
    for said in (BADGE, WHY, WHAT_TO_DO):
        assert said in page


@pytest.mark.parametrize("name", ["dashboard", "settings"])
def test_a_viewer_is_told_too_but_offered_nothing(name, reported, viewer, signed_in):
    client = signed_in(viewer)
    assert WHAT_TO_DO in text(client, name, reported.project)
    page = client.get(reverse(f"apikeys:{name}", args=[reported.project.public_id])).content.decode()
    assert reverse("apikeys:roll", args=[reported.project.public_id, reported.public_id]) not in page


def test_quick_start_warns_of_a_reported_key_while_it_shows_another(reported, owner, signed_in):
    services.create_key(project=reported.project, name="The next one", by=owner)
    page = text(signed_in(owner), "dashboard", reported.project)
    assert "The next one" in page
    assert f"{reported.name} (paused): {WHY}" in page
    assert "rejected request" not in page


def test_re_enabling_forgets_the_report_and_pausing_again_does_not_bring_it_back(reported, owner, signed_in):
    client = signed_in(owner)
    for name, form in (("resume", SEEN), ("pause", {})):
        client.post(action(name, reported), form)
        page = text(client, "settings", reported.project)
        assert BADGE not in page
        assert WHY not in page


def pressed(client: Client, name: str, key: ApiKey, headers: dict[str, str]) -> Any:
    """The answer to a button on a page that does not show the report."""
    return client.post(action(name, key), headers=headers, follow=True)


def told_of_the_report(answer: Any, key: ApiKey) -> bool:
    said = words(answer)
    is_refused = verify(f"Bearer {key.secret}").code == "key_paused"  # type: ignore[attr-defined]
    return is_refused and f"{key.name} {MEANWHILE}" in said and BADGE in said and WHY in said


@WITH_AND_WITHOUT_SCRIPT
def test_a_pause_that_came_after_the_report_was_nothing_to_undo(api_key, owner, signed_in, headers):
    """T34: the person's page still shows the key as active."""
    client = signed_in(owner)
    services.report_leak(secret=api_key.secret)
    answer = pressed(client, "pause", api_key, headers)
    assert told_of_the_report(answer, api_key)
    assert "data-undo" not in answer.content.decode()
    assert told_of_the_report(pressed(client, "resume", api_key, headers), api_key)


@WITH_AND_WITHOUT_SCRIPT
def test_undo_and_a_page_that_is_older_than_the_report_do_not_re_enable_the_key(api_key, owner, signed_in, headers):
    """T34: the person paused the key, and after that it was reported."""
    client = signed_in(owner)
    undo = re.search(r'action="([^"]+)" data-undo', pressed(client, "pause", api_key, headers).content.decode())
    services.report_leak(secret=api_key.secret)
    answer = client.post(undo[1] if undo else "", headers=headers, follow=True)
    assert told_of_the_report(answer, api_key)
    assert "Re-enable it only if you are sure that nobody else has the secret." in words(answer)
    assert [event.kind for event in api_key.events.all()] == ["reported", "paused", "created"]


@pytest.mark.parametrize("name", ["dashboard", "settings"])
def test_a_page_that_shows_the_report_re_enables_with_one_press(name, reported, owner, signed_in):
    client = signed_in(owner)
    page = client.get(reverse(f"apikeys:{name}", args=[reported.project.public_id])).content.decode()
    sent = re.search(rf'<(form|button)[^>]*action="[^"]*/keys/{reported.public_id}/resume/".*?</\1>', page, re.S)
    fields = dict(re.findall(r'name="(\w+)"\s+value="([^"]+)"', sent[0] if sent else ""))
    answer = client.post(action("resume", reported), fields, follow=True)
    assert f"Re-enabled {reported.name}." in words(answer)
    assert BADGE not in words(answer)


def test_a_deleted_key_is_shown_as_deleted(reported, owner, signed_in):
    services.delete_key(key=reported, by=owner)
    page = text(signed_in(owner), "settings", reported.project, "?state=deleted")
    assert "Deleted" in page
    assert BADGE not in page


def test_the_row_that_an_action_returns_says_it_too(reported, owner, signed_in):
    pausing.pause_key(key=reported, by=owner)
    path = reverse("apikeys:pause", args=[reported.project.public_id, reported.public_id])
    assert BADGE in words(signed_in(owner).post(path, headers={"HX-Request": "true"}))


def test_activity_names_nobody_as_the_reporter(reported, owner, signed_in):
    page = text(signed_in(owner), "activity", reported.project)
    assert f"{reported.name} was reported as leaked from 203.0.113.9" in page
    assert "operator" not in page.partition("Filter")[2], "the person filter offers operators"


def test_the_admin_shows_and_finds_reported_keys(reported, admin, signed_in):
    client = signed_in(admin)
    page = words(client.get(reverse("admin:apikeys_apikey_change", args=[reported.pk])))
    assert "Pause reason: reported as leaked" in page
    found = words(client.get(reverse("admin:apikeys_apikey_changelist"), {"pause_reason__exact": "reported"}))
    assert "1 API key" in found


def admins_row(client: Client, key: ApiKey) -> str:
    page = client.get(reverse("admin:apikeys_apikey_changelist"), {"q": key.public_id}).content.decode()
    cell = re.search(r'<td class="field-standing">([^<]*)</td>', page)
    return cell[1] if cell else ""


def test_the_admins_list_names_the_standing_that_the_projects_page_shows(api_key, owner, admin, signed_in):
    client = signed_in(admin)
    assert admins_row(client, api_key) == "Active"
    pausing.pause_key(key=api_key, by=owner)
    assert admins_row(client, api_key) == "Paused"
    services.report_leak(secret=api_key.secret)
    assert admins_row(client, api_key) == "Reported as leaked"
    pausing.resume_key(key=api_key, by=owner, although_reported=True)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert admins_row(client, api_key) == "Account deactivated"
    services.delete_key(key=api_key, by=None)
    assert admins_row(client, api_key) == "Deleted"


def test_the_admin_shows_where_the_key_was_found_as_a_strangers_words(api_key, admin, signed_in):
    """T34: the place is escaped and no link, because a stranger chose it."""
    services.report_leak(secret=api_key.secret, address="203.0.113.9", source="https://a.example/?<b>&x")
    client = signed_in(admin)
    event = api_key.events.get(kind="reported")
    for path in (
        reverse("admin:apikeys_apikey_change", args=[api_key.pk]),
        reverse("admin:projects_auditevent_change", args=[event.pk]),
        reverse("admin:apikeys_apikey_re_enable_reported", query={"key": api_key.public_id}),
    ):
        answer = client.get(path)
        assert re.search(
            r"reported location \(unverified\):? https://a.example/\?<b>&x",
            words(answer),
            re.I,
        )
        assert "https://a.example/?&lt;b&gt;&amp;x" in answer.content.decode()
        assert 'href="https://a.example' not in answer.content.decode()
    assert re.search(r"Last report: \d+ \w+ \d{4}, \d\d:\d\d UTC from 203.0.113.9", key_page(client, api_key))


def test_the_admin_shows_no_report_of_a_key_that_nobody_reported(api_key, admin, signed_in):
    page = key_page(signed_in(admin), api_key)
    assert "Last report: -" in page
    assert "Reported location (unverified): -" in page


def key_page(client: Client, key: ApiKey) -> str:
    return words(client.get(reverse("admin:apikeys_apikey_change", args=[key.pk])))


def test_a_program_hears_no_more_than_that_the_key_is_paused(reported):
    """A holder of the whole secret may be the thief."""
    answer = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {reported.secret}"})
    assert answer.json()["error"]["code"] == "key_paused"
    assert "report" not in answer.content.decode()
