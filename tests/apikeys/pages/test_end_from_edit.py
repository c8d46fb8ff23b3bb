"""Expire now is opened from the form that edits a key, and its Cancel leads back to what was typed there."""

import html
import re

import pytest
from django.test import Client

from tests.support.places.pages import HTMX, action

pytestmark = pytest.mark.django_db
TYPED = {
    "name": "Half <typed>",
    "end": "90",
    "end_at": "",
    "end_zone": "",
    "seen": "never",
    "seen_name": "Production server",
}


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def fields(answer) -> dict[str, str]:
    """The hidden fields of the form in the answer."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode())
    return {name: html.unescape(value) for name, value in found if name != "csrfmiddlewaretoken"}


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_what_was_typed_is_there_again_after_cancel(headers, client, api_key):
    asked = client.post(action("end", api_key), TYPED | {"ask": "yes", "next": "dashboard"}, headers=headers)
    assert asked.status_code == 200
    kept = fields(asked)
    assert kept["name"] == "Half <typed>"
    assert f'formaction="{action("edit", api_key)}"' in asked.content.decode()
    again = client.post(action("edit", api_key), kept | {"again": "yes"}, headers=headers)
    content = again.content.decode()
    assert again.status_code == 200
    assert 'value="Half &lt;typed&gt;"' in content
    assert re.search(r'<option value="90" selected', content)
    assert fields(again)["next"] == "dashboard"
    assert content.count("autofocus") == 1
    assert re.search(r'id="end-now-[^>]*autofocus', content), "the focus returns to the button"
    api_key.refresh_from_db()
    assert (api_key.name, api_key.expires_at) == ("Production server", None)


def test_the_question_ends_nothing_and_its_button_ends_the_key(client, api_key):
    asked = client.post(action("end", api_key), TYPED | {"ask": "yes"})
    api_key.refresh_from_db()
    assert not api_key.is_expired
    client.post(action("end", api_key), fields(asked))
    api_key.refresh_from_db()
    assert api_key.is_expired
    assert api_key.name == "Production server"


def test_a_secret_that_was_typed_as_a_name_is_not_sent_back(client, api_key):
    asked = client.post(action("end", api_key), TYPED | {"ask": "yes", "name": api_key.secret})
    assert api_key.secret not in asked.content.decode()
    again = client.post(action("edit", api_key), TYPED | {"again": "yes", "name": api_key.secret})
    assert api_key.secret not in again.content.decode()
    assert 'value="Production server"' in again.content.decode()


def test_enter_in_a_field_of_edit_saves_and_ends_nothing(client, api_key):
    """Enter presses the form's first button in the order of the page."""
    content = client.get(action("edit", api_key)).content.decode()
    assert content.index(">Save</button>") < content.index(">Expire now…</button>")
