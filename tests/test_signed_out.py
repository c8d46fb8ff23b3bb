"""Whoever is not signed in is led to the login, and back to where they were."""

import pytest
from django.test import Client

from tests.pages import ACTIONS, FETCH, HTMX, action, page


@pytest.mark.parametrize("name", ACTIONS)
def test_a_signed_out_post_leads_to_the_login_and_back_to_its_very_page(name, api_key):
    settings = page("apikeys:settings", api_key.project)
    path, login = action(name, api_key), f"/accounts/login/?next={settings}%3Fpage%3D2"
    referer = {"Referer": f"http://testserver{settings}?page=2"}
    answer = Client().post(path, headers=referer)
    assert (answer.status_code, answer.headers["Location"]) == (302, login)
    htmx = Client().post(path, headers=HTMX | referer)
    assert (htmx.status_code, htmx.headers["HX-Redirect"], htmx.content) == (200, login, b"")
    fetched = Client().post(path, headers=FETCH | referer)
    assert (fetched.status_code, fetched.json()) == (401, {"login": login})


@pytest.mark.parametrize("referer", [None, "https://evil.example/x", "http://testserver:81/x"])
def test_without_a_page_of_ours_a_signed_out_post_leads_home(referer, api_key):
    headers = {"Referer": referer} if referer else {}
    assert Client().post(action("pause", api_key), headers=headers).headers["Location"] == "/accounts/login/?next=/"


def test_a_signed_out_look_leads_back_to_the_very_address(api_key):
    path = page("apikeys:settings", api_key.project) + "?state=paused&q=a"
    answer = Client().get(path)
    assert answer.headers["Location"] == "/accounts/login/?next=" + path.replace("?", "%3F").replace(
        "=", "%3D"
    ).replace("&", "%26")


def test_signing_in_leads_to_where_one_was_going(owner, api_key):
    owner.set_password("correct horse battery")
    owner.save()
    path = page("apikeys:settings", api_key.project)
    client = Client()
    login = client.get(path).headers["Location"]
    answer = client.post(login, {"login": owner.email, "password": "correct horse battery"})
    assert answer.headers["Location"] == path
