"""Markup in a name is shown as text."""

import html
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from common.names import MAX_LENGTH
from tests.support.factories import FileFactory


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


ATTACK = """<img src=x onerror=alert(1)>"'&<b>{{x}}</b>"""
assert len(ATTACK) <= MAX_LENGTH


class Elements(HTMLParser):
    """A page as a browser would parse it, as far as an injection would show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "img" or any(name.startswith("on") for name, _ in attributes):
            self.found.append(f"<{tag} {attributes}>")


@pytest.fixture
def attacker(project, owner) -> ApiKey:
    """A key with the name ATTACK, in a project and with a file of the same name."""
    project.name = ATTACK
    project.save()
    FileFactory(project=project, name=ATTACK)
    key = create_key(project=project, name=ATTACK, by=owner)
    key.key.last_used_at = timezone.now()
    key.key.save()
    key.key.secret = key.secret  # type: ignore[attr-defined]
    return key.key


def assert_escaped(answer: Any, times: int = 1) -> None:
    page = answer.content.decode()
    assert Elements(page).found == []
    assert "<img" not in page
    assert page.count(html.escape(ATTACK)) + page.count(html.escape(ATTACK).replace("&#x27;", "&#39;")) >= times


# Each page that shows a name, with the lowest number of occurrences.
SHOWN = {
    "/projects/": 2,  # the switcher, the list
    "/projects/?q=" + quote(ATTACK): 3,  # and the search
    "{project}": 6,  # title, switcher, heading, key, Copy's description, file
    "{project}start/": 4,
    "{project}settings/": 9,  # title, row, aria-labels, dialogs, rename form
    "{project}settings/?q=" + quote(ATTACK): 10,
    "{project}activity/": 3,
    "{project}usage/": 3,  # title, switcher, the list of keys
    "{project}usage/?key={id}": 4,
    "{project}delete/": 3,
    "{project}keys/new/": 2,
    "{key}delete/": 4,
}


@pytest.mark.parametrize("path", SHOWN)
def test_html_in_a_name_is_shown_as_text(path, client, attacker):
    """T26"""
    at = f"/projects/{attacker.project.public_id}/"
    answer = client.get(path.format(project=at, key=f"{at}keys/{attacker.public_id}/", id=attacker.public_id))
    assert answer.status_code == 200
    assert_escaped(answer, SHOWN[path])


def test_a_search_for_html_that_finds_nothing_is_shown_as_text(client, project, api_key):
    for path in ("/projects/", f"/projects/{project.public_id}/settings/"):
        assert_escaped(client.get(path, {"q": ATTACK}), 2)


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("action", ["pause", "resume", "delete", "copy", "reveal"])
def test_html_in_a_name_is_announced_as_text(action, htmx, client, attacker):
    """T26"""
    at = f"/projects/{attacker.project.public_id}/"
    answer = client.post(
        f"{at}keys/{attacker.public_id}/{action}/",
        {"confirmation": ATTACK},
        headers={"HX-Request": "true"} if htmx else {},
        follow=True,
    )
    assert answer.status_code == 200
    assert_escaped(answer)


def test_html_in_a_new_name_is_shown_as_text_wherever_it_is_typed(client, project, api_key):
    """T26: in a created name, a rejected name, a renamed one, and the name to be typed."""
    at = f"/projects/{project.public_id}/"
    assert_escaped(client.post(f"{at}keys/new/", {"name": ATTACK}, follow=True), 2)
    assert_escaped(client.post(f"{at}keys/new/", {"name": ATTACK}))
    assert_escaped(client.post(f"{at}settings/", {"name": ATTACK}, follow=True), 2)
    assert_escaped(client.post(f"{at}settings/", {"name": ATTACK * 2}))
    assert_escaped(client.post(f"{at}delete/", {"confirmation": ATTACK * 2}), 2)
    assert_escaped(client.post(f"{at}delete/", {"confirmation": ATTACK}, follow=True))
    assert_escaped(client.post("/projects/new/", {"name": ATTACK}, follow=True), 2)


def test_html_in_a_name_is_shown_as_text_in_the_admin(admin, signed_in, attacker):
    """T26"""
    client = signed_in(admin)
    project = attacker.project
    for path in (
        "apikeys/apikey/",
        f"apikeys/apikey/?q={quote(ATTACK[:20])}",
        f"apikeys/apikey/{attacker.pk}/change/",
        f"apikeys/apikey/{attacker.pk}/history/",
        "projects/auditevent/",
        f"projects/auditevent/{attacker.events.get().pk}/change/",
        "projects/project/",
        f"projects/project/{project.pk}/change/",
        f"projects/project/{project.pk}/delete/",
        "projects/membership/",
        "projects/file/",
    ):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert not any("alert(1)" in element for element in Elements(page).found), path
        assert "<img src=x" not in page, path
        assert "&lt;img src=x onerror=alert(1)&gt;" in page, path


def test_html_in_a_name_is_json_to_a_program(attacker):
    """T26: no browser takes the answer for a page."""
    for path in ("/api/v1/me", "/api/v1/files"):
        answer = Client().get(path, headers={"Authorization": f"Bearer {attacker.secret}"})
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert repr(ATTACK) in str(answer.json()["data"])
