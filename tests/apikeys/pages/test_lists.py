"""Lists of none, one and a thousand rows, with search and filters."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.bounds.restrictions import MOST_AMOUNT, Limit, Limits, Restrictions, Window, column_of
from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.usage.figures import Period, starts
from apikeys.usage.models import KeyUse
from bench.pages.key_list import MOST_BYTES
from projects.models import Membership
from tests.support.factories import ProjectFactory
from tests.support.places.pages import HTMX, action, page, text
from tests.support.stored.rows import many_events, many_keys, many_projects


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# Rows: none, one, a thousand


def test_lists_without_rows_say_what_to_do(client, owner, signed_in, project):
    key = create_key(project=project, name="Old", by=owner).key
    delete_key(key=key, by=owner)
    assert "You have no projects yet." in text(signed_in(User.objects.create_user("new@example.com")).get("/projects/"))
    dashboard = text(client.get(page("apikeys:dashboard", project)))
    assert "Requests to the API will be rejected until you create one." in dashboard
    assert "No files yet." in dashboard
    assert "No API keys." in text(client.get(page("apikeys:settings", project)))
    assert "Nothing has happened yet." in text(_viewer_of_an_empty_project(signed_in))


def _viewer_of_an_empty_project(signed_in: Any) -> Any:
    project = ProjectFactory()
    Membership.objects.create(project=project, user=project.created_by)
    return signed_in(project.created_by).get(page("apikeys:activity", project))


def test_one_row_needs_no_pager(client, project, api_key):
    for name in ("apikeys:settings", "apikeys:activity"):
        assert 'class="pager"' not in client.get(page(name, project)).content.decode()
    assert 'class="pager"' not in client.get("/projects/").content.decode()


def test_a_thousand_rows_come_in_pages_that_hold_each_once(client, project, owner, settings):
    settings.MAX_KEYS_PER_PROJECT = 2_000
    many_keys(project, 1_000)
    first = client.get(page("apikeys:settings", project))
    assert "Page 1 of 100" in text(first)
    assert "1,000 of 2,000 keys" in text(first)
    seen = []
    for number in (1, 2, 100):
        answer = client.get(page("apikeys:settings", project), {"page": number})
        seen += re.findall(r'class="key-name"[^>]*>([^<]+)<', answer.content.decode())
    assert seen == [f"Row {n}" for n in [*range(20), *range(990, 1000)]]


def test_a_thousand_projects_and_events_come_in_pages(client, project, api_key, owner):
    many_projects(owner, 999)
    many_events(api_key, 999)
    assert "Page 3 of 50" in text(client.get("/projects/", {"page": 3}))
    assert "Page 40 of 40" in text(client.get(page("apikeys:activity", project), {"page": 40}))


# Search and filter


def names_found(answer: Any) -> list[str]:
    return re.findall(r'class="key-name"[^>]*>([^<]+)<', answer.content.decode())


@pytest.fixture
def three_keys(project, owner) -> dict[str, ApiKey]:
    keys = {name: create_key(project=project, name=name, by=owner).key for name in ("Alpha", "Beta 50%", "Gone")}
    pause_key(key=keys["Beta 50%"], by=owner)
    delete_key(key=keys["Gone"], by=owner)
    return keys


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["Beta 50%", "Alpha"]),
        ({"state": "active"}, ["Alpha"]),
        ({"state": "paused"}, ["Beta 50%"]),
        ({"state": "deleted"}, ["Gone"]),
        ({"q": "ALPH"}, ["Alpha"]),
        ({"q": "50%"}, ["Beta 50%"]),
        ({"q": "%"}, ["Beta 50%"]),
        ({"q": "_"}, None),
        ({"q": "nothing"}, []),
        ({"q": "alpha", "state": "paused"}, []),
    ],
    ids=str,
)
def test_search_and_filter_find(query, found, client, project, three_keys):
    answer = client.get(page("apikeys:settings", project), query)
    if found is None:  # every mask has the prefix's underscore
        found = ["Beta 50%", "Alpha"]
    assert names_found(answer) == found
    assert found or " matches “" in text(answer)


def test_a_mask_finds_its_key(client, project, three_keys):
    mask = three_keys["Alpha"].mask
    for part in (mask, mask[:7], mask[-4:]):
        assert "Alpha" in names_found(client.get(page("apikeys:settings", project), {"q": part}))


def test_the_pager_keeps_search_and_filter(client, project):
    many_keys(project, 30)
    answer = client.get(page("apikeys:settings", project), {"q": "row", "state": "active", "page": 2})
    links = [html.unescape(link) for link in re.findall(r'href="(\?[^"]+)"', answer.content.decode())]
    assert links == ["?q=row&state=active&page=1#api-keys", "?q=row&state=active&page=3#api-keys"]
    key = project.api_keys.first()
    url = f"http://testserver{page('apikeys:settings', project)}?q=row&page=2&created={key.public_id}"
    answer = client.post(action("delete", key), headers=HTMX | {"HX-Current-URL": url})
    links = [html.unescape(link) for link in re.findall(r'href="(\?[^"]+)"', answer.content.decode())]
    assert links == ["?q=row&page=1#api-keys", "?q=row&page=3#api-keys"]


@pytest.mark.parametrize("place", [0, 9, 10, 20])
def test_without_script_an_action_leads_back_to_the_keys_row(client, project, place):
    """It leads to the page of the list that has the row. The place is counted from the newest key."""
    many_keys(project, 21)
    key = project.api_keys.order_by("-created_at", "-pk")[place]
    for name, form in (("pause_for", {"length": "5m"}), ("keep_paused", {}), ("resume", {}), ("edit", {"name": "New"})):
        address, _, fragment = client.post(action(name, key), form).headers["Location"].partition("#")
        assert fragment == f"row-{key.public_id}"
        assert f'id="{fragment}"' in client.get(address).content.decode()


def test_htmx_gets_the_section_as_its_page_was_searched(client, project, three_keys):
    url = f"http://testserver{page('apikeys:settings', project)}?state=paused"
    answer = client.post(action("delete", three_keys["Alpha"]), headers=HTMX | {"HX-Current-URL": url})
    assert names_found(answer) == ["Beta 50%"]


# Order


@pytest.mark.parametrize(
    ("sort", "names"),
    [("", ["beta", "Alpha", "gamma"]), ("name", ["Alpha", "beta", "gamma"]), ("used", ["gamma", "Alpha", "beta"])],
)
def test_keys_are_sorted_by_creation_name_or_last_use(client, project, owner, sort, names):
    keys = {name: create_key(project=project, name=name, by=owner).key for name in ("gamma", "Alpha", "beta")}
    for name, ago in (("gamma", 1), ("Alpha", 2)):
        ApiKey.objects.filter(pk=keys[name].pk).update(last_used_at=timezone.now() - timedelta(hours=ago))
    answer = client.get(page("apikeys:settings", project), {"sort": sort})
    assert names_found(answer) == names


def test_an_order_that_no_form_offers_is_a_bad_request(client, project, api_key):
    assert client.get(page("apikeys:settings", project), {"sort": "digest"}).status_code == 400


def test_deleted_keys_are_offered_only_where_there_are_any(client, project, api_key, owner):
    create_key(project=project, name="Another", by=owner)
    settings = page("apikeys:settings", project)
    assert 'value="deleted"' not in client.get(settings).content.decode()
    for key in project.api_keys.all():
        delete_key(key=key, by=owner)
    answer = client.get(settings)
    assert "Show deleted keys" in text(answer)
    assert 'value="deleted"' in answer.content.decode()


def test_a_row_is_light(client, project):
    """V18: no row has a form of its own or a copy of an icon that other rows use. Each day has another height here."""
    many_keys(project, 10, last_used_at=timezone.now())
    days = [(key, day) for key in project.api_keys.all() for day in starts(Period.MONTH)]
    KeyUse.objects.bulk_create(
        KeyUse(key=key, span="day", starts_at=day, outcome="ok", calls=1_000 + day.day * 7 % 30 * 1_000, last_at=day)
        for key, day in days
    )
    content = client.get(page("apikeys:settings", project)).content.decode()
    assert len(content.encode()) <= MOST_BYTES == 45_000, "with the form of a new key and its options"
    rows = re.findall(r"<tr class=\"key-row.*?</tr>", content, re.S)
    assert len(rows) == 10
    assert max(map(len, rows)) < 3_000
    assert not [row for row in rows if "<form" in row or "csrfmiddlewaretoken" in row]
    assert content.count('id="icon-eye"') == 1
    limits = Limits(Limit(MOST_AMOUNT, Window.MINUTE), Limit(MOST_AMOUNT, Window.MONTH))
    networks = tuple(f"198.51.100.{number}/32" for number in range(50))
    longest = Restrictions(False, tuple(f"scope:{number:02}" for number in range(100)), networks, limits)
    project.api_keys.update(restrictions=column_of(longest))
    content = client.get(page("apikeys:settings", project)).content.decode()
    assert "100 scopes, 50 networks, 1,000,000,000,000,000/minute, 1,000,000,000,000,000/month" in content
    assert max(map(len, re.findall(r"<tr class=\"key-row.*?</tr>", content, re.S))) < 3_000
