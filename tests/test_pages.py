"""What the pages show and do, asked over HTTP: queries, redirects, partials, headers, words."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey, KeyEvent, KeyState
from apikeys.services import create_key, delete_key, pause_key
from apikeys.verification import verify
from projects.models import File, Membership, Project
from tests.factories import ApiKeyFactory, FileFactory, ProjectFactory
from tests.routes import all_routes

HTMX = {"HX-Request": "true"}
FETCH = {"Accept": "application/json"}
GONE = "was deleted in the meantime. Nothing was changed."
ACTIONS = ["pause", "resume", "copy", "reveal", "delete"]


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def page(name: str, *ids: Any) -> str:
    return reverse(name, args=[thing.public_id for thing in ids])


def action(name: str, key: ApiKey) -> str:
    return page(f"apikeys:{name}", key.project, key)


def text(answer: Any) -> str:
    """The words of an answer, as a person reads them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


# As many rows as it takes, by few statements


def many_keys(project: Project, number: int, **fields: Any) -> None:
    plain = {"project": project, "created_by": project.created_by, "pepper_id": "k1", "ring_key_id": "k1"}
    ApiKey.objects.bulk_create(
        ApiKey(
            **plain | {"name": f"Row {n}", "mask": "lk_abcd••••••••wxyz", "ciphertext": b"c"} | fields,
            digest=f"{project.pk}-{n}".encode(),
            created_at=timezone.now() - timedelta(minutes=n),
        )
        for n in range(number)
    )


def many_projects(owner: User, number: int) -> None:
    projects = Project.objects.bulk_create(Project(name=f"Project {n}", created_by=owner) for n in range(number))
    Membership.objects.bulk_create(Membership(project=project, user=owner) for project in projects)


def many_events(key: ApiKey, number: int) -> None:
    KeyEvent.objects.bulk_create(
        KeyEvent(project=key.project, key=key, kind="copied", by=key.created_by, address="192.0.2.1")
        for _ in range(number)
    )


def many_files(project: Project, number: int) -> None:
    File.objects.bulk_create(
        File(project=project, name=f"file-{n}", size=n, created_by=project.created_by) for n in range(number)
    )


# The number of queries of each page; a session and its user are two of them, the sidebar's projects one.
QUERIES = {
    "home": 3,
    "projects:list": 5,
    "projects:create": 4,
    "projects:delete": 4,
    "apikeys:dashboard": 8,
    "apikeys:onboarding": 5,
    "apikeys:settings": 8,
    "apikeys:activity": 6,
    "apikeys:usage": 8,
    "apikeys:usage_csv": 4,
    "apikeys:create": 5,
    "apikeys:show_once": 5,
    "apikeys:help": 3,
}


def test_every_page_has_its_number_of_queries():
    pages = {r.pattern for r in all_routes() if r.is_page and not r.pattern.startswith(("health", "favicon"))}
    only_posted = {
        pattern for pattern in pages if re.search(r"(pause|resume|copy|reveal|mails|keep-secrets)/$", pattern)
    }
    of_a_key = {pattern for pattern in pages if re.search(r"key_id>/(delete|first-request)/$", pattern)}
    assert len(pages - only_posted - of_a_key) == len(QUERIES)
    assert max(QUERIES.values()) <= 8


@pytest.mark.parametrize("rows", [1, 10, 1_000])
def test_no_page_asks_more_queries_for_more_rows(rows, client, project, api_key, owner, django_assert_num_queries):
    many_keys(project, rows - 1)
    many_projects(owner, rows - 1)
    many_events(api_key, rows - 1)
    many_files(project, rows)
    for name, number in QUERIES.items():
        of_project = name not in {"home", "projects:list", "projects:create", "apikeys:help"}
        path = page(name, project) if of_project else page(name)
        with django_assert_num_queries(number, info=f"{name} with {rows} rows"):
            assert client.get(path).status_code in {200, 302}
    with django_assert_num_queries(6, info="apikeys:delete"):
        assert client.get(action("delete", api_key)).status_code == 200
    with django_assert_num_queries(4, info="apikeys:first_request"):
        assert client.get(action("first_request", api_key), headers=HTMX).status_code == 204
    with django_assert_num_queries(QUERIES["apikeys:settings"] - 1, info="the section alone, without a sidebar"):
        client.get(page("apikeys:settings", project), headers=HTMX | {"HX-Target": "api-keys"})


# Rows: none, one, a thousand


def test_lists_without_rows_say_what_to_do(client, owner, signed_in, project):
    key = create_key(project=project, name="Old", by=owner).key
    delete_key(key=key, by=owner)
    assert "You have no project yet." in text(signed_in(User.objects.create_user("new@example.com")).get("/projects/"))
    dashboard = text(client.get(page("apikeys:dashboard", project)))
    assert "Requests to the API will be refused until you create a key." in dashboard
    assert "No files yet." in dashboard
    assert "There is no key." in text(client.get(page("apikeys:settings", project)))
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
    assert "1000 of at most 2000" in text(first)
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
    assert found or "No key matches" in text(answer)


def test_a_mask_finds_its_key(client, project, three_keys):
    mask = three_keys["Alpha"].mask
    for part in (mask, mask[:7], mask[-4:]):
        assert "Alpha" in names_found(client.get(page("apikeys:settings", project), {"q": part}))


def test_the_pager_keeps_search_and_filter(client, project):
    many_keys(project, 30)
    answer = client.get(page("apikeys:settings", project), {"q": "row", "state": "active", "page": 2})
    links = [html.unescape(link) for link in re.findall(r'href="(\?[^"]+)"', answer.content.decode())]
    assert links == ["?q=row&state=active&page=1#api-keys", "?q=row&state=active&page=3#api-keys"]


# Projects


def test_the_way_from_nothing_to_the_dashboard(db, signed_in):
    client = signed_in(User.objects.create_user("new@example.com"))
    assert client.get("/").headers["Location"] == "/projects/new/"
    created = client.post("/projects/new/", {"name": "Acme"})
    project = Project.objects.get()
    assert created.headers["Location"] == page("apikeys:onboarding", project)
    assert "Generate Key" in text(client.get(created.headers["Location"]))
    generated = client.post(page("apikeys:create", project), {"name": "First", "next": "onboarding"})
    assert generated.headers["Location"] == page("apikeys:onboarding", project)
    assert "Your API key is ready" in text(client.get(generated.headers["Location"]))
    assert "Quick Start" in text(client.get(page("apikeys:dashboard", project)))
    assert client.get("/").headers["Location"] == page("apikeys:dashboard", project)


def test_a_project_without_a_key_leads_back_to_the_onboarding(client, project):
    assert client.get(page("apikeys:dashboard", project)).headers["Location"] == page("apikeys:onboarding", project)


def test_a_viewer_of_a_project_without_a_key_is_told_so(viewer, project, signed_in):
    answer = signed_in(viewer).get(page("apikeys:dashboard", project))
    assert "This project has no API key." in text(answer)
    assert "Only owners of the project can create, pause or delete keys." in text(answer)


def test_who_has_two_projects_begins_at_their_list(client, project, owner):
    many_projects(owner, 1)
    assert client.get("/").headers["Location"] == "/projects/"


def test_a_project_is_renamed_in_place(client, project, api_key):
    answer = client.post(page("apikeys:settings", project), {"name": "  Acme   Climate "})
    assert answer.headers["Location"] == page("apikeys:settings", project)
    project.refresh_from_db()
    assert project.name == "Acme Climate"
    assert "Renamed the project to Acme Climate." in text(client.get(answer.headers["Location"]))


def test_a_refused_new_name_stays_in_its_field_and_the_page_keeps_the_old(client, project, api_key):
    answer = client.post(page("apikeys:settings", project), {"name": "x" * 65})
    assert answer.status_code == 422
    assert f'value="{"x" * 65}"' in answer.content.decode()
    assert f"<title>Settings · {project.name} · Latchkey</title>" in answer.content.decode()


@pytest.mark.parametrize("typed", ["", "acme weather", "Acme", "Acme Weather!"])
def test_a_project_is_not_deleted_without_its_name(typed, client, project, api_key):
    answer = client.post(page("projects:delete", project), {"confirmation": typed})
    assert answer.status_code == 422
    assert "Type the name exactly: Acme Weather" in text(answer)
    assert verify(f"Bearer {api_key.secret}").identity


def test_a_deleted_project_stops_its_keys_at_once(client, project, api_key):
    file = FileFactory(project=project)
    path = file.blob.path
    headers = {"Authorization": f"Bearer {api_key.secret}"}
    assert Client().get("/api/v1/verify", headers=headers).status_code == 204
    answer = client.post(page("projects:delete", project), {"confirmation": " Acme  Weather "})
    assert answer.headers["Location"] == "/projects/"
    refused = Client().get("/api/v1/verify", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "key_deleted")
    assert "Deleted Acme Weather. Its keys have stopped working." in text(client.get("/projects/"))
    assert ApiKey.objects.get().ciphertext is None
    assert not File.objects.exists()
    assert path  # its bytes go when the transaction commits, see test_files_api


def test_every_page_of_a_deleted_project_is_gone(client, project, api_key):
    client.post(page("projects:delete", project), {"confirmation": project.name})
    for route in all_routes():
        if route.is_page and "project_id" in route.pattern:
            path = route.path(project_id=project.public_id, key_id=api_key.public_id)
            assert {client.get(path).status_code, client.post(path).status_code} <= {404, 405}
            assert 404 in {client.get(path).status_code, client.post(path).status_code}


# Keys


def test_a_proposed_name_is_free(client, project, owner):
    def proposed() -> str:
        found = re.search(r'name="name" value="([^"]+)"', client.get(page("apikeys:create", project)).content.decode())
        return found[1] if found else ""

    assert proposed() == "Default key"
    create_key(project=project, name="default KEY", by=owner)
    assert proposed() == "Key 2"
    create_key(project=project, name="Key 2", by=owner)
    assert proposed() == "Key 3"


def test_a_form_that_is_sent_twice_makes_one_key(client, project):
    form = {"name": "Once", "form_token": "a" * 22}
    answers = [client.post(page("apikeys:create", project), form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert ApiKey.objects.count() == 1


def test_a_taken_name_is_refused_beside_its_field(client, project, api_key):
    answer = client.post(page("apikeys:create", project), {"name": api_key.name.upper()})
    assert answer.status_code == 422
    assert "This project already has a key of that name. Choose another." in text(answer)
    assert f'value="{api_key.name.upper()}"' in answer.content.decode()


def test_a_deleted_keys_name_is_free_again(client, project, api_key, owner):
    delete_key(key=api_key, by=owner)
    assert client.post(page("apikeys:create", project), {"name": api_key.name}).status_code == 302


def test_the_limit_of_keys_is_said_in_words(client, project, api_key, settings):
    settings.MAX_KEYS_PER_PROJECT = 1
    section = client.get(page("apikeys:settings", project))
    assert "1 of at most 1" in text(section)
    assert "The project has the most keys it can have. Delete one to create another." in text(section)
    assert "+ Create Key" not in text(section)
    answer = client.post(page("apikeys:create", project), {"name": "One more"})
    assert answer.status_code == 422
    assert "This project has 1 keys, the most it can have. Delete one that is no longer used." in text(answer)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("name", ACTIONS)
def test_a_key_deleted_while_its_page_was_open(name, client, api_key, owner):
    """Two tabs: the other one deleted it."""
    delete_key(key=api_key, by=owner)
    events = KeyEvent.objects.count()
    answer = client.post(action(name, api_key), follow=True)
    assert f"Production server {GONE}" in text(answer)
    assert answer.redirect_chain == [(page("apikeys:settings", api_key.project) + "#api-keys", 302)]
    partial = client.post(action(name, api_key), headers=HTMX)
    assert partial.status_code == 200
    assert partial.headers["HX-Retarget"] == "#api-keys"
    assert f"Production server {GONE}" in text(partial)
    if name in {"copy", "reveal"}:
        fetched = client.post(action(name, api_key), headers=FETCH)
        assert fetched.status_code == 410
        assert fetched.json() == {"message": "Production server was deleted in the meantime. Reload the page."}
    api_key.refresh_from_db()
    assert api_key.is_deleted
    assert KeyEvent.objects.count() == events


def test_a_key_in_use_is_deleted_only_with_its_name(client, api_key):
    api_key.last_used_at = timezone.now() - timedelta(days=6)
    api_key.save()
    refused = client.post(action("delete", api_key), {"confirmation": "production server"})
    assert refused.status_code == 422
    assert "Type the name exactly: Production server" in text(refused)
    assert 'value="production server"' in refused.content.decode()
    assert verify(f"Bearer {api_key.secret}").identity
    assert client.post(action("delete", api_key), {"confirmation": "Production server"}).status_code == 302
    assert verify(f"Bearer {api_key.secret}").code == "key_deleted"


def test_the_confirmation_says_what_deleting_does(client, api_key):
    asked = text(client.get(action("delete", api_key)))
    for words in ("Delete “Production server”?", "It was never used.", "refused at once", "This cannot be undone."):
        assert words in asked
    # Fewer than the shortest month has, for what is a month ago is said in months.
    api_key.last_used_at, api_key.last_used_address = timezone.now() - timedelta(days=20), "192.0.2.7"
    api_key.save()
    assert re.search(
        r"It was last used 2\sweeks, 6\sdays ago from 192.0.2.7", text(client.get(action("delete", api_key)))
    )


# Without the key ring


@pytest.fixture
def no_ring(api_key, settings) -> None:
    settings.KEY_RING = ""


def test_without_a_key_ring_verification_goes_on(no_ring, api_key):
    answer = Client().get("/api/v1/verify", headers={"Authorization": f"Bearer {api_key.secret}"})
    assert answer.status_code == 204


@pytest.mark.parametrize("name", ["copy", "reveal"])
def test_without_a_key_ring_a_secret_is_refused_in_words(name, no_ring, client, api_key):
    events = KeyEvent.objects.count()
    answer = client.post(action(name, api_key))
    assert answer.status_code == 503
    assert "The key cannot be decrypted at the moment; requests with it go on working." in text(answer)
    fetched = client.post(action(name, api_key), headers=FETCH)
    assert fetched.status_code == 503
    assert "cannot be decrypted at the moment" in fetched.json()["message"]
    assert KeyEvent.objects.count() == events, "nothing was shown"


def test_without_a_key_ring_creating_is_refused_in_words_and_makes_nothing(no_ring, client, project):
    client.raise_request_exception = False
    for headers in ({}, HTMX):
        answer = client.post(page("apikeys:create", project), {"name": "Second"}, headers=headers)
        assert answer.status_code == 503
        assert "key" in text(answer)
        assert "Nothing was changed" in text(answer)
    assert [key.name for key in ApiKey.objects.all()] == ["Production server"]


def test_without_a_key_ring_pausing_and_deleting_go_on(no_ring, client, api_key):
    for name in ("pause", "resume", "delete"):
        assert client.post(action(name, api_key)).status_code == 302
    assert verify(f"Bearer {api_key.secret}").code == "key_deleted"


# Activity


def test_each_deed_is_in_the_activity_with_who_and_whence(client, project, owner):
    client.post(page("apikeys:create", project), {"name": "Watched"}, REMOTE_ADDR="192.0.2.1")
    key = ApiKey.objects.get()
    for number, name in enumerate(["copy", "reveal", "pause", "resume", "delete"], start=2):
        client.post(action(name, key), REMOTE_ADDR=f"192.0.2.{number}")
    shown = text(client.get(page("apikeys:activity", project)))
    deeds = ["created", "copied", "revealed", "paused", "re-enabled", "deleted"]
    lines = [f"owner@example.com {deed} Watched from 192.0.2.{n}" for n, deed in enumerate(deeds, start=1)]
    positions = [shown.index(line) for line in reversed(lines)]
    assert positions == sorted(positions), "newest first"


def test_a_command_is_named_as_an_operators(client, project, api_key):
    pause_key(key=api_key, by=None)
    assert "An operator of this server paused Production server" in text(client.get(page("apikeys:activity", project)))


# A viewer


def test_a_viewer_sees_why_instead_of_a_button(viewer, project, api_key, signed_in):
    client = signed_in(viewer)
    dashboard = client.get(page("apikeys:dashboard", project))
    assert "Only owners of the project can copy or reveal keys." in text(dashboard)
    settings = client.get(page("apikeys:settings", project))
    assert "Only owners of the project can create, pause or delete keys." in text(settings)
    assert "Only owners of the project can change or delete it." in text(settings)
    for answer in (dashboard, settings):
        content = answer.content.decode()
        assert api_key.mask in content
        assert 'method="post"' not in content, "no form that would be refused"
        assert "show-modal" not in content


@pytest.mark.parametrize("name", ACTIONS)
def test_a_viewers_post_is_refused_with_the_reason(name, viewer, api_key, signed_in):
    answer = signed_in(viewer).post(action(name, api_key))
    assert answer.status_code == 403
    assert re.search(r"Only owners of the project can [a-z, ]+ keys\. Ask an owner of the project\.", text(answer))


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
        of_project = name not in {"home", "projects:list", "projects:create", "apikeys:help"}
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
        assert f'value="{api_key.secret}"' in shown.content.decode()
        assert "no-store" in shown.headers["Cache-Control"]


# htmx


def elements(answer: Any) -> list[str]:
    """The ids of the outermost elements of a partial."""
    depth, found = 0, []
    for closing, tag, attributes in re.findall(r"<(/?)([a-z]+)([^>]*)>", answer.content.decode()):
        if tag in {"input", "path", "br"} or attributes.endswith("/"):
            continue
        if not closing and depth == 0:
            found.append((re.search(r'id="([^"]+)"', attributes) or [tag, tag])[1])
        depth += -1 if closing else 1
    return found


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_htmx_gets_the_row_and_the_announcement_out_of_band(name, client, api_key):
    answer = client.post(action(name, api_key), headers=HTMX)
    assert elements(answer) == [f"row-{api_key.public_id}", "announcements"]
    assert 'hx-swap-oob="innerHTML"' in answer.content.decode()
    assert ("Paused" if name == "pause" else "Re-enabled") in text(answer)


def test_the_announcement_of_a_pause_offers_to_undo_it(client, api_key):
    answer = client.post(action("pause", api_key), headers=HTMX)
    assert f'action="{action("resume", api_key)}" data-undo' in answer.content.decode()


@pytest.mark.parametrize("name", ["delete", "create"])
def test_htmx_gets_the_section_and_the_announcement_out_of_band(name, client, project, api_key):
    path = action("delete", api_key) if name == "delete" else page("apikeys:create", project)
    answer = client.post(path, {"name": "New"}, headers=HTMX)
    assert elements(answer) == ["api-keys", "announcements"]
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#api-keys", "outerHTML")


def test_htmx_gets_the_section_as_its_page_was_searched(client, project, three_keys):
    url = f"http://testserver{page('apikeys:settings', project)}?state=paused"
    answer = client.post(action("delete", three_keys["Alpha"]), headers=HTMX | {"HX-Current-URL": url})
    assert names_found(answer) == ["Beta 50%"]


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
            rf'<li class="key-row[^>]*id="row-{api_key.public_id}">.*?</li>\s', answer.content.decode(), re.S
        )
        return re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", found[0].strip()) if found else "no row"

    assert row(client.post(action("pause", api_key), headers=HTMX)) == row(
        client.get(page("apikeys:settings", project))
    )


# Signed out


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


# Headers of every answer


@pytest.mark.parametrize("persona", ["anonymous", "owner", "viewer"])
def test_every_page_has_its_headers(persona, project, api_key, viewer, owner, signed_in):
    """T31, T33: never stored, never framed, no script but ours; errors and redirects included."""
    client = Client() if persona == "anonymous" else signed_in({"owner": owner, "viewer": viewer}[persona])
    for route in all_routes():
        if route.is_admin:
            continue
        path = route.path(project_id=project.public_id, key_id=api_key.public_id)
        for method in (client.get, client.post):
            answer = method(path)
            assert "no-store" in answer.headers["Cache-Control"], path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "unsafe" not in policy, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.headers.get("X-Frame-Options") == "DENY", (path, answer)
            assert answer.headers["Referrer-Policy"] == "same-origin", path
            assert re.fullmatch(r"req_[0-9A-Za-z]{16}", answer.headers["X-Request-Id"]), path


@pytest.mark.parametrize(
    ("path", "headers", "status", "title"),
    [
        ("/nowhere/", {}, 404, "There is nothing here"),
        ("/projects/?page=x", {}, 400, "This address is malformed"),
        ("/projects/?q=%00", {}, 400, "This address is malformed"),
        ("/projects/", {"Host": "evil.example"}, 400, "This address is malformed"),
    ],
)
def test_errors_have_pages_of_our_own(path, headers, status, title, client):
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert f"<title>{title} · Latchkey</title>" in answer.content.decode()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("state", KeyState.values)
def test_a_key_of_each_state_is_shown_as_what_it_is(state, client, project):
    now = timezone.now()
    ends: dict[str, Any] = {
        "active": {},
        "paused": {"paused_at": now},
        "deleted": {"deleted_at": now, "ciphertext": None, "ring_key_id": ""},
    }[state]
    key = ApiKeyFactory(project=project, state=state, **ends)
    row = client.get(page("apikeys:settings", project), {"state": state}).content.decode()
    switch = re.search(r'role="switch"[^>]*aria-checked="(\w+)"', row)
    assert (switch[1] if switch else None) == {"active": "true", "paused": "false", "deleted": None}[state]
    assert ("Delete key" in row) is (state != "deleted")
    assert key.mask in row


def test_a_bad_name_on_the_onboarding_step_stays_on_that_step(client, owner):
    """P5"""
    project = ProjectFactory(created_by=owner)
    Membership.objects.create(project=project, user=owner)
    answer = client.post(page("apikeys:create", project), {"name": "a\u202eb", "next": "onboarding"})
    assert answer.status_code == 422
    assert "Generate Key" in text(answer)
    assert "hidden ones" in text(answer)


def test_a_project_form_that_is_sent_again_after_the_deletion_is_refused_in_words(client, owner):
    data = {"name": "Twice", "form_token": "a-token-of-one-form-1"}
    client.post(reverse("projects:create"), data)
    project = Project.objects.get(name="Twice")
    client.post(page("projects:delete", project), {"confirmation": "Twice"})
    answer = client.post(reverse("projects:create"), data)
    assert answer.status_code == 422
    assert "was deleted. Reload the page." in text(answer)


def test_an_address_of_an_action_has_a_page_of_our_own(client, api_key):
    answer = client.get(action("pause", api_key))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "Nothing to see here" in text(answer)


def test_an_announcement_outlives_a_redirect_made_for_htmx(client, api_key):
    answer = client.post(action("pause", api_key), {"next": "dashboard"}, headers=HTMX)
    assert answer["HX-Redirect"] == page("apikeys:dashboard", api_key.project)
    assert "Paused Production server" in text(client.get(answer["HX-Redirect"]))
