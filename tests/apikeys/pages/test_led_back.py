"""A browser without script is led back to the row it acted on, in the list with its search and page number."""

import re

import pytest
from django.test import Client

from apikeys.keys.services import create_key
from apikeys.pages.project import KEYS_A_PAGE
from tests.support.places.pages import action, page

pytestmark = pytest.mark.django_db
FORMS = {"pause": {}, "pause_for": {"length": "5m"}, "edit": {"name": "Renamed server"}}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def listed(project, owner, api_key) -> str:
    """The address of a list in which `api_key` is on the second page, also by its name."""
    for number in range(KEYS_A_PAGE):
        create_key(project=project, name=f"A server {number}", by=owner)
    return page("apikeys:settings", project)


def sent(client, address, form, *, referer):
    answer = client.post(address, form, headers={"Referer": f"http://testserver{referer}"})
    assert answer.status_code == 302
    return answer.headers["Location"]


@pytest.mark.parametrize("query", ["?page=2", "?page=2&sort=name", "?q=server&page=2", "?state=all&q=prod"])
@pytest.mark.parametrize("name", FORMS)
def test_an_action_leads_to_the_row_in_the_list_as_it_was(name, query, client, api_key, listed):
    query = query.replace("state=all&", "state=&")
    shown, form = f"{listed}{query}", dict(FORMS[name])
    if name == "edit":
        form = {"name": "Production server 2"}
    by_button = sent(client, action(name, api_key), form, referer=shown)
    assert by_button == f"{shown}#row-{api_key.public_id}"
    assert f'id="row-{api_key.public_id}"' in client.get(by_button).content.decode()


def test_a_form_with_a_page_of_its_own_remembers_the_list(client, api_key, listed):
    """Save and Cancel lead there, also after a refused form."""
    shown = f"{listed}?sort=name&page=2"
    own = action("edit", api_key)
    first = client.get(own, headers={"Referer": f"http://testserver{shown}"}).content.decode()
    refused = client.post(
        own, {"name": "", "back": shown}, headers={"Referer": f"http://testserver{own}"}
    ).content.decode()
    escaped = shown.replace("&", "&amp;")
    for content in (first, refused):
        assert f'name="back" value="{escaped}"' in content
        assert re.search(rf'href="\s*{re.escape(escaped)}#row-{api_key.public_id}\s*"\s*>Cancel</a>', content)
    assert sent(client, own, {"name": "Production", "back": shown}, referer=own) == f"{shown}#row-{api_key.public_id}"


def test_a_key_that_its_change_took_out_of_the_search_leaves_the_search_in_place(client, api_key, listed):
    shown = f"{listed}?state=active&q=prod"
    assert sent(client, action("pause", api_key), {}, referer=shown) == f"{shown}#api-keys"
    assert sent(client, action("delete", api_key), {"back": f"{listed}?page=2"}, referer=action("delete", api_key)) == (
        f"{listed}?page=2#api-keys"
    )


def test_the_page_of_a_key_stays_where_its_form_was_opened_from_there(client, api_key):
    there = page("apikeys:key", api_key.project, api_key)
    assert (
        sent(client, action("edit", api_key), {"name": "New", "back": there}, referer=action("edit", api_key)) == there
    )


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/", "/projects/", "javascript:alert(1)", "?page=x", "\n/x"]
)
def test_another_address_in_the_form_leads_to_the_row_all_the_same(back, client, api_key):
    own = page("apikeys:settings", api_key.project)
    asked = {"back": back if back != "?page=x" else f"{own}?page=x"}
    to = sent(client, action("pause", api_key), asked, referer=action("edit", api_key))
    assert to == f"{own}#row-{api_key.public_id}"
    content = client.post(action("edit", api_key), {"name": ""} | asked).content.decode()
    assert "evil.example" not in content
    assert "javascript:" not in content


def test_a_secret_in_the_search_is_not_sent_back(client, api_key):
    asked = {"back": f"{page('apikeys:settings', api_key.project)}?q={api_key.secret}"}
    assert api_key.secret not in sent(client, action("pause", api_key), asked, referer="/")
