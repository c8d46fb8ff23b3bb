"""Rules for every page: its number of queries, no secret, its headers. Also the error pages."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKey
from tests.support.calls.api_client import downloaded
from tests.support.places.pages import FETCH, HTMX, action, page, text
from tests.support.places.routes import all_routes
from tests.support.stored.rows import many_events, many_files, many_invitations, many_keys, many_members, many_projects


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# The number of queries of each page. The session and its user are two of them, the sidebar's projects one.
QUERIES = {
    "home": 3,
    "projects:list": 5,
    "projects:notifications": 8,
    "projects:create": 4,
    "projects:delete": 8,
    "projects:members": 9,
    "projects:leave": 6,
    "apikeys:dashboard": 10,
    "apikeys:onboarding": 5,
    "apikeys:settings": 8,
    "apikeys:activity": 8,
    "apikeys:activity_csv": 4,
    "apikeys:usage": 8,
    "apikeys:usage_csv": 6,
    "apikeys:create": 5,
    "apikeys:show_once": 5,
    "apikeys:help": 4,
}


def test_every_page_has_its_number_of_queries():
    pages = {
        r.pattern
        for r in all_routes()
        if r.is_page and not r.pattern.startswith(("health", "favicon", ".well-known", "brand"))
    }
    posted = "allow-address|pause|resume|keep-paused|extend|copy|reveal|mails|keep-secrets|role|resend|link|revoke"
    posted += "|accept|decline|withdraw"
    only_posted = {pattern for pattern in pages if re.search(rf"({posted})/$", pattern)}
    # Few people open these, and tests/projects/invitations does.
    of_invited_people = {pattern for pattern in pages if re.search(r"^invitations/|>/invitations/$", pattern)}
    forms = "delete|edit|end|first-request|hand-over|pause-for|pause-end|roll|remove|try"
    of_one = {pattern for pattern in pages if re.search(rf"(key|user)_id>/(({forms})/)?$", pattern)}
    assert len(pages - only_posted - of_invited_people - of_one) == len(QUERIES)
    assert max(QUERIES.values()) <= 10


@pytest.mark.parametrize("rows", [1, 10, 1_000])
def test_no_page_asks_more_queries_for_more_rows(rows, client, project, api_key, owner, django_assert_num_queries):
    many_keys(project, rows - 1)
    many_projects(owner, rows - 1)
    many_events(api_key, rows - 1)
    many_files(project, rows)
    many_members(project, rows - 1)
    many_invitations(project, rows - 1)
    for name, number in QUERIES.items():
        of_project = name not in {"home", "projects:list", "projects:notifications", "projects:create", "apikeys:help"}
        path = page(name, project) if of_project else page(name)
        asked = django_assert_num_queries(number, info=f"{name} with {rows} rows")
        with asked, downloaded(client.get(path)) as answer:
            assert answer.status_code in {200, 302}
    with django_assert_num_queries(7, info="apikeys:delete"):
        assert client.get(action("delete", api_key)).status_code == 200
    with django_assert_num_queries(10, info="apikeys:key"):
        assert client.get(action("key", api_key)).status_code == 200
    with django_assert_num_queries(6, info="apikeys:edit"):
        assert client.get(action("edit", api_key)).status_code == 200
    with django_assert_num_queries(5, info="apikeys:pause_for"):
        assert client.get(action("pause_for", api_key)).status_code == 200
    with django_assert_num_queries(5, info="apikeys:try"):
        assert client.get(action("try", api_key), {"method": "GET"}).status_code == 200
    with django_assert_num_queries(4, info="apikeys:first_request"):
        assert client.get(action("first_request", api_key), headers=HTMX).status_code == 204
    with django_assert_num_queries(QUERIES["apikeys:settings"] - 1, info="the section alone, without a sidebar"):
        client.get(page("apikeys:settings", project), headers=HTMX | {"HX-Target": "api-keys"})


# No secret in any page


def test_no_page_holds_the_secret(client, project, api_key, owner):
    api_key.last_used_at = timezone.now()
    api_key.save()
    random_part = api_key.secret[len("lk_") + 4 : -4]
    answers = [client.get(page("apikeys:settings", project), headers=HTMX | {"HX-Target": "api-keys"})]
    answers += [client.get(page("apikeys:settings", project), {"created": api_key.public_id})]
    answers += [client.post(action(name, api_key), headers=HTMX) for name in ("pause", "resume")]
    answers += [client.post(page("apikeys:create", project), {"name": "Another"}, headers=HTMX)]
    answers += [client.get(action("delete", api_key))]
    for name in QUERIES:
        of_project = name not in {"home", "projects:list", "projects:notifications", "projects:create", "apikeys:help"}
        answers.append(client.get(page(name, project) if of_project else page(name), follow=True))
    contents = [answer.getvalue().decode() for answer in answers]
    for answer, content in zip(answers, contents, strict=True):
        assert answer.status_code == 200
        assert random_part not in content + str(answer.headers) + str(answer.cookies)
    new = ApiKey.objects.get(name="Another")
    secret = client.post(action("copy", new), headers=FETCH).json()["secret"]
    assert secret[7:-4] not in "".join(contents)


def test_the_secret_comes_by_a_post_alone(client, api_key):
    for name in ("copy", "reveal"):
        assert client.get(action(name, api_key)).status_code == 405
        answer = client.post(action(name, api_key), headers=FETCH)
        assert answer.json() == {"secret": api_key.secret}
        assert "no-store" in answer.headers["Cache-Control"]
        shown = client.post(action(name, api_key))
        assert f">{api_key.secret}</textarea>" in shown.content.decode()
        assert "no-store" in shown.headers["Cache-Control"]


# Headers of every answer


@pytest.mark.parametrize("persona", ["anonymous", "owner", "viewer"])
def test_every_page_has_its_headers(persona, project, api_key, viewer, owner, signed_in):
    """T31, T33: never stored, never framed, only our own scripts, also for errors and redirects."""
    client = Client() if persona == "anonymous" else signed_in({"owner": owner, "viewer": viewer}[persona])
    for route in all_routes():
        if route.is_admin:
            continue
        path = route.path(project_id=project.public_id, key_id=api_key.public_id)
        for method in (client.get, client.post):
            answer = method(path)
            b"".join(answer)  # closes the file
            assert "no-store" in answer.headers["Cache-Control"], path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "unsafe" not in policy, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.headers.get("X-Frame-Options") == "DENY", (path, answer)
            holds_token = "token" in route.pattern and method == client.get
            assert answer.headers["Referrer-Policy"] == ("no-referrer" if holds_token else "same-origin"), path
            assert re.fullmatch(r"req_[0-9A-Za-z]{16}", answer.headers["X-Request-Id"]), path


@pytest.mark.parametrize(
    ("path", "headers", "status", "title"),
    [
        ("/nowhere/", {}, 404, "There is nothing here"),
        ("/projects/?page=x", {}, 400, "This link doesn't work"),
        ("/projects/?q=%00", {}, 400, "This link doesn't work"),
        ("/projects/", {"Host": "evil.example"}, 400, "This link doesn't work"),
    ],
)
def test_errors_have_pages_of_our_own(path, headers, status, title, client):
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert f"<title>{title} · Latchkey</title>" in answer.content.decode()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_an_address_of_an_action_has_a_page_of_our_own(client, api_key):
    answer = client.get(action("pause", api_key))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "This page can't be opened directly" in text(answer)
