"""A project's pages from onboarding to deletion, its activity, and the pages of a viewer."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from apikeys.keys.pausing import pause_key
from apikeys.models import ApiKey
from apikeys.usage import counting
from apikeys.verify.verification import verify
from projects.models import File, Membership, Project
from projects.permissions import Permission, reason
from projects.services import rename_project
from tests.support.factories import FileFactory, ProjectFactory
from tests.support.places.pages import ACTIONS, action, page, text
from tests.support.places.routes import all_routes
from tests.support.stored.rows import many_projects


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


# Projects


def test_the_number_of_keys_on_the_dashboard_leads_to_the_list(client, project, api_key):
    content = client.get(page("apikeys:dashboard", project)).content.decode()
    figure = re.search(r"<dt><a [^>]*href=\"([^\"]+)\">API keys</a></dt>\s*<dd>1</dd>", content)
    assert figure
    assert figure[1] == f"{page('apikeys:settings', project)}#api-keys"


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
    assert "No API keys." in text(answer)
    assert reason(Permission.MANAGE_KEYS) in text(answer)


def test_the_first_page_says_what_this_is_and_leads_in(db):
    answer = Client().get("/")
    assert answer.status_code == 200
    assert "API keys for your programs" in text(answer)
    html = answer.content.decode()
    for name, words in (("account_login", "Sign in"), ("account_signup", "Create account")):
        assert re.search(rf'href="{reverse(name)}"[^>]*>\s*{words}', html)


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_the_first_field_of_an_entry_page_has_the_focus(name, db):
    html = Client().get(reverse(name)).content.decode()
    first = re.search(r'<input type="(?!hidden)[^>]*>', html)
    assert "autofocus" in first[0]
    assert html.count("autofocus") == 1


def test_a_person_with_two_projects_starts_at_the_list(client, project, owner):
    many_projects(owner, 1)
    assert client.get("/").headers["Location"] == "/projects/"


def test_a_project_is_renamed_in_place(client, project, api_key):
    answer = client.post(page("apikeys:settings", project), {"name": "  Acme   Climate "})
    assert answer.headers["Location"] == page("apikeys:settings", project)
    project.refresh_from_db()
    assert project.name == "Acme Climate"
    assert "Renamed the project to Acme Climate." in text(client.get(answer.headers["Location"]))


def test_nobody_undoes_a_name_that_they_did_not_see(client, project, api_key, owner):
    address, before = page("apikeys:settings", project), project.name
    assert f'name="seen_name" value="{before}"' in client.get(address).content.decode()
    rename_project(project=project, name="Theirs", by=owner)
    answer = client.post(address, {"name": "Mine", "seen_name": before})
    assert answer.status_code == 422
    said = "Somebody renamed the project to Theirs in the meantime. Nothing was changed. Check it, then press Rename"
    assert said in text(answer)
    form = answer.context["rename_form"]
    assert (form["name"].value(), form["seen_name"].value()) == ("Mine", "Theirs")
    assert "<title>Settings · Theirs · Latchkey</title>" in answer.content.decode()
    again = [client.post(address, {"name": "Mine", "seen_name": "Theirs"}) for _ in range(2)]
    assert [each.status_code for each in again] == [302, 302], "Rename may be pressed twice"
    project.refresh_from_db()
    assert project.name == "Mine"


def test_a_rename_that_says_nonsense_of_what_it_showed_says_so(client, project, api_key):
    answer = client.post(page("apikeys:settings", project), {"name": "Mine", "seen_name": "x" * 201})
    assert (answer.status_code, "at most 200 characters" in text(answer)) == (422, True)


def test_a_project_that_keeps_its_name_is_not_said_to_be_renamed(client, project):
    answer = client.post(page("apikeys:settings", project), {"name": f" {project.name} "}, follow=True)
    assert f"{project.name} keeps its name." in text(answer)
    assert "Renamed the project" not in text(answer)
    assert not project.audit_events.filter(kind="project_renamed").exists()


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
    assert "Deleted Acme Weather. Requests using its keys are now rejected." in text(client.get("/projects/"))
    assert ApiKey.objects.get().ciphertext is None
    assert not File.objects.exists()
    assert path  # the bytes are deleted after the commit, see test_files_api


def test_every_page_of_a_deleted_project_is_gone(client, project, api_key):
    client.post(page("projects:delete", project), {"confirmation": project.name})
    for route in all_routes():
        if route.is_page and "project_id" in route.pattern:
            path = route.path(project_id=project.public_id, key_id=api_key.public_id)
            assert {client.get(path).status_code, client.post(path).status_code} <= {404, 405}
            assert 404 in {client.get(path).status_code, client.post(path).status_code}


def test_a_bad_name_on_the_onboarding_step_stays_on_that_step(client, owner):
    """P5"""
    project = ProjectFactory(created_by=owner)
    Membership.objects.create(project=project, user=owner)
    answer = client.post(page("apikeys:create", project), {"name": "a\u202eb", "next": "onboarding"})
    assert answer.status_code == 422
    assert "Generate Key" in text(answer)
    assert "contains invisible characters" in text(answer)


def test_a_project_form_that_is_sent_again_with_another_name_says_what_it_created(client, owner):
    for name in ("Once", "Twice"):
        answer = client.post(reverse("projects:create"), {"name": name, "form_token": "a-token-of-one-form-1"})
    assert answer.status_code == 422
    assert "it created the project Once. Nothing else was done." in text(answer)
    assert not Project.objects.filter(name="Twice").exists()


def test_a_project_form_that_is_sent_again_after_the_deletion_is_refused_in_words(client, owner):
    data = {"name": "Twice", "form_token": "a-token-of-one-form-1"}
    client.post(reverse("projects:create"), data)
    project = Project.objects.get(name="Twice")
    client.post(page("projects:delete", project), {"confirmation": "Twice"})
    answer = client.post(reverse("projects:create"), data)
    assert answer.status_code == 422
    assert "was deleted. Reload the page." in text(answer)


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
    assert reason(Permission.READ_SECRETS) in text(dashboard)
    settings = client.get(page("apikeys:settings", project))
    assert reason(Permission.MANAGE_KEYS) in text(settings)
    assert reason(Permission.MANAGE_PROJECT) in text(settings)
    for answer in (dashboard, settings):
        content = answer.content.decode()
        assert api_key.mask in content
        assert 'method="post"' not in content, "no form that a viewer may not send"
        assert "show-modal" not in content


@pytest.mark.parametrize("name", ACTIONS)
def test_a_viewers_post_is_refused_with_the_reason(name, viewer, api_key, signed_in):
    answer = signed_in(viewer).post(action(name, api_key))
    assert answer.status_code == 403
    reasons = [reason(can) for can in (Permission.MANAGE_KEYS, Permission.READ_SECRETS)]
    assert any(f"{why} Ask an owner of the project." in text(answer) for why in reasons)


# The project in the sidebar

KEPT_ON = ("/help/", "/api/v1/docs", "/accounts/email/", "/accounts/sessions/")


def project_in_the_sidebar(answer) -> str:
    found = re.search(r'aria-label="Switch project(?:, now ([^"]*))?"', answer.content.decode())
    return found[1] or "" if found else "no sidebar"


@pytest.mark.parametrize("address", KEPT_ON)
def test_help_the_reference_and_the_account_keep_the_project_in_the_sidebar(address, client, project, owner):
    many_projects(owner, 1)
    assert (
        f'href="/help/?project={project.public_id}"' in client.get(page("apikeys:settings", project)).content.decode()
    )
    named = client.get(address, {"project": project.public_id}, follow=True)
    led_here = client.get(address, headers={"Referer": f"http://testserver{page('apikeys:usage', project)}"})
    assert project_in_the_sidebar(named) == "Acme Weather"
    assert project_in_the_sidebar(led_here) == "Acme Weather"
    assert f'href="{page("apikeys:usage", project)}"' in named.content.decode()
    assert "<title>Acme" not in named.content.decode()
    assert project_in_the_sidebar(client.get(address)) == ""


def test_a_project_of_others_is_not_at_hand_and_the_only_project_always_is(client, project):
    strangers = ProjectFactory(name="Theirs")
    assert project_in_the_sidebar(client.get("/help/", {"project": strangers.public_id})) == ""
    assert project_in_the_sidebar(client.get("/help/")) == "Acme Weather"
    assert project_in_the_sidebar(client.get("/projects/")) == ""
    assert project_in_the_sidebar(Client().get("/help/", {"project": project.public_id})) == "no sidebar"


def test_the_page_that_deletes_a_project_says_what_it_has(client, project, api_key, viewer):
    FileFactory.create_batch(2, project=project)
    counting.record(api_key.pk, "ok", timezone.now().timestamp(), None)
    counting.flush()
    asked = text(client.get(page("projects:delete", project)))
    assert f"Delete the project “{project.name}”?" in asked
    assert "It has: 1 API key (1 request in the last 24 hours) 2 files 2 members" in asked
    assert f"Type {project.name} to confirm" in asked
    assert "stops all its keys at once and destroys its files" in text(client.get(page("apikeys:settings", project)))


def test_a_chart_says_whether_the_current_hour_has_requests(client, project, api_key):
    counting.record(api_key.pk, "ok", timezone.now().timestamp() - 7200, None)
    counting.flush()
    assert "No requests yet in the current hour." in text(client.get(page("apikeys:dashboard", project)))
    counting.record(api_key.pk, "ok", timezone.now().timestamp(), None)
    counting.flush()
    assert "The last bar is the current hour." in text(client.get(page("apikeys:dashboard", project)))


@pytest.mark.parametrize("name", ["account_delete", "mfa_activate_totp", "mfa_add_webauthn"])
def test_the_first_field_of_a_page_of_the_account_has_the_focus(db, signed_in, name):
    person = User.objects.create_user("new@example.com")
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    answer = signed_in(person).get(reverse(name)).content.decode()
    assert len(re.findall(r"<input[^>]* autofocus", answer)) == 1
