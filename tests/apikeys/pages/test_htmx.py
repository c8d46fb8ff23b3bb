"""Answers to htmx: partials, announcements, and redirects to whole pages."""

import re
from typing import Any

import pytest
from django.test import Client

from apikeys.keys.pausing import pause_key, resume_key
from tests.support.places.pages import HTMX, action, page, text


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def elements(answer: Any) -> list[str]:
    """The ids of the outermost elements of a partial."""
    depth, found = 0, []
    for closing, tag, attributes in re.findall(r"<(/?)([a-z]+)([^>]*)>", answer.content.decode()):
        if tag in {"input", "path", "br", "use"} or attributes.endswith("/"):
            continue
        if not closing and depth == 0:
            found.append((re.search(r'id="([^"]+)"', attributes) or [tag, tag])[1])
        depth += -1 if closing else 1
    return found


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_htmx_gets_the_row_and_the_announcement_out_of_band(name, client, api_key):
    if name == "resume":
        pause_key(key=api_key, by=api_key.created_by)
    answer = client.post(action(name, api_key), headers=HTMX)
    assert elements(answer) == [f"row-{api_key.public_id}", "template"]
    assert 'hx-swap-oob="innerHTML"' in answer.content.decode()
    assert ("Paused" if name == "pause" else "Re-enabled") in text(answer)


def test_the_announcement_of_a_pause_offers_to_undo_it(client, api_key):
    answer = client.post(action("pause", api_key), headers=HTMX)
    assert f'action="{action("resume", api_key)}?seen=' in answer.content.decode()
    assert "data-undo" in answer.content.decode()


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "without script"])
def test_an_action_without_effect_shows_the_keys_state_and_offers_no_undo(client, api_key, owner, headers):
    """Two tabs are open, and the other one was faster."""
    for name, change, stands in (("pause", pause_key, "paused"), ("resume", resume_key, "active")):
        change(key=api_key, by=owner)
        answer = client.post(action(name, api_key), headers=headers, follow=True)
        assert f"Production server was {stands} already. Nothing was changed." in text(answer)
        assert "data-undo" not in answer.content.decode()


@pytest.mark.parametrize("name", ["delete", "create"])
def test_htmx_gets_the_section_and_the_announcement_out_of_band(name, client, project, api_key):
    path = action("delete", api_key) if name == "delete" else page("apikeys:create", project)
    answer = client.post(path, {"name": "New"}, headers=HTMX)
    assert elements(answer) == ["api-keys", "announcements"]
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#api-keys", "outerHTML")


def test_a_search_by_htmx_gets_the_section_alone(client, project, api_key):
    answer = client.get(page("apikeys:settings", project), headers=HTMX | {"HX-Target": "api-keys"})
    assert elements(answer) == ["api-keys"]
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in answer.headers["Vary"].split(",")}
    whole = client.get(page("apikeys:settings", project))
    assert whole.content.decode().startswith("<!doctype html>")
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in whole.headers["Vary"].split(",")}


def test_the_page_holds_the_very_partial_that_an_action_answers(client, project, api_key):
    def row(answer: Any) -> str:
        found = re.search(
            rf'<tr class="key-row[^>]*id="row-{api_key.public_id}".*?</tr>', answer.content.decode(), re.S
        )
        return re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", found[0].strip()) if found else "no row"

    assert row(client.post(action("pause", api_key), headers=HTMX)) == row(
        client.get(page("apikeys:settings", project))
    )


def test_an_announcement_outlives_a_redirect_made_for_htmx(client, api_key):
    answer = client.post(action("pause", api_key), {"next": "dashboard"}, headers=HTMX)
    assert answer["HX-Redirect"] == page("apikeys:dashboard", api_key.project)
    assert "Paused Production server" in text(client.get(answer["HX-Redirect"]))
