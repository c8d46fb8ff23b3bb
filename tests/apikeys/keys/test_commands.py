import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from apikeys.keys import services
from apikeys.keys.services import delete_key
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.models import Project
from projects.services import delete_project
from tests.support.environment import REPOSITORY
from tests.support.programs.servers import database_url

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """The output of the command."""
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> dict[str, Any]:
    answer = json.loads(run(*arguments, "--json"))
    assert isinstance(answer, dict)
    return answer


def test_createproject_makes_a_project_that_its_owner_manages(owner):
    answer = run_json("createproject", "Acme Weather", "--owner", "Owner@Example.com")
    project = Project.objects.of(owner).get()
    assert (answer["id"], answer["name"]) == (project.public_id, "Acme Weather")


def test_createkey_prints_id_and_a_secret_that_is_let_in(project):
    answer = run_json("createkey", project.public_id, "--name", "CI")
    verdict = verify(f"Bearer {answer['secret']}")
    assert verdict.identity is not None
    assert verdict.identity.key_id == answer["id"]


def test_createkey_says_the_secret_once_and_where_to_keep_it(project):
    text = run("createkey", project.public_id, "--name", "CI")
    mask = project.api_keys.get().mask
    assert text.count(mask[:7]) == 1
    assert "environment variable" in text


def test_a_new_key_speaks_for_the_first_owner_unless_said_otherwise(project, owner, outsider):
    project.memberships.create(user=outsider)
    assert run_json("createkey", project.public_id, "--name", "a")["created_by"] == owner.email
    assert (
        run_json("createkey", project.public_id, "--name", "b", "--by", outsider.email)["created_by"] == outsider.email
    )


def test_a_key_of_a_deactivated_first_owner_is_not_made(project, owner):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    with pytest.raises(CommandError, match="no active owner"):
        run("createkey", project.public_id, "--name", "CI")


@pytest.mark.parametrize("person", ["viewer", "outsider"])
def test_a_key_cannot_speak_for_somebody_who_may_not_make_keys(person, project, request):
    user = request.getfixturevalue(person)
    with pytest.raises(CommandError, match="may not make keys"):
        run("createkey", project.public_id, "--name", "CI", "--by", user.email)


def test_pausekey_resumekey_and_deletekey_change_what_a_request_is_told(api_key):
    header = f"Bearer {api_key.secret}"
    run("pausekey", api_key.public_id)
    assert verify(header).code == "key_paused"
    run("resumekey", api_key.public_id)
    assert verify(header).code is None
    run("deletekey", api_key.public_id)
    assert verify(header).code == "key_deleted"
    kinds = api_key.events.order_by("id").values_list("kind", "by")
    assert list(kinds)[1:] == [("paused", None), ("resumed", None), ("deleted", None)]


def test_pausekey_names_the_whole_command_that_undoes_it(api_key):
    undo = run("pausekey", api_key.public_id).partition("Undo with: manage.py ")[2]
    assert undo.split() == ["resumekey", api_key.public_id]


def test_pausekey_takes_an_end_and_a_note(api_key):
    """P15"""
    answer = run_json("pausekey", api_key.public_id, "--for", "1h", "--note", "Trying it")
    assert answer["pause_note"] == "Trying it"
    assert timedelta(minutes=55) < datetime.fromisoformat(answer["resumes_at"]) - timezone.now() <= timedelta(hours=1)
    with pytest.raises(CommandError, match=r"is paused already, but only until .* Keep paused .* resumekey key_"):
        run("pausekey", api_key.public_id)
    with pytest.raises(CommandError, match="is paused already, but only until"):
        run("pausekey", api_key.public_id, "--for", "5m")
    run("resumekey", api_key.public_id)
    assert "is paused until 26 February 2030, 08:30 UTC" in run(
        "pausekey", api_key.public_id, "--until", "2030-02-26T09:30:00+01:00"
    )


def test_pausekey_succeeds_if_the_key_is_paused_until_then_already(api_key):
    end = ["--until", "2030-02-26T09:30Z"]
    for changed in (True, False):
        assert run_json("pausekey", api_key.public_id, *end)["changed"] is changed
    run("resumekey", api_key.public_id)
    run("pausekey", api_key.public_id)
    with pytest.raises(CommandError, match=r"until someone re-enables it\. Nothing was changed"):
        run("pausekey", api_key.public_id, *end)


def test_pausekey_and_resumekey_fail_for_an_expired_key_with_the_next_step(api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now(), end_reason="chosen")
    for arguments in (["pausekey"], ["pausekey", "--for", "1h"], ["resumekey"]):
        with pytest.raises(CommandError, match=r"rejected.* editkey key_\w+ --expires WHEN"):
            run(arguments[0], api_key.public_id, *arguments[1:])
    assert not api_key.events.filter(kind__in=["paused", "resumed"]).exists()


def test_resumekey_says_what_still_rejects_the_keys_requests(api_key):
    run("pausekey", api_key.public_id)
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now(), end_reason="chosen")
    said = run("resumekey", api_key.public_id)
    assert (
        "is not paused any more. Requests using it are still rejected: its status is Expired. Change its expiry" in said
    )
    assert "allowed" not in said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--until", "2030-02-26T09:30"], "has no time zone. Add Z for UTC"),
        (["--until", "2020-02-26T09:30Z"], "in the past"),
        (["--until", "9999-12-31T23:59-14:00"], "at most 3,650 days"),
        (["--until", "soon"], "'soon' is no time. Write a time such as"),
        (["--until", ""], "is no time"),
        (["--for", "2h"], "invalid choice"),
        (["--for", "1h", "--until", "2030-02-26T09:30Z"], "not allowed with"),
        (["--note", "x" * 201], "Use at most 200 characters"),
        (["--note", "a\u202eb"], "invisible characters"),
    ],
)
def test_pausekey_rejects_what_the_page_rejects(api_key, arguments, error):
    with pytest.raises(CommandError, match=re.escape(error)):
        run("pausekey", api_key.public_id, *arguments)
    api_key.refresh_from_db()
    assert api_key.is_active


@pytest.mark.parametrize("command", ["pausekey", "resumekey", "deletekey"])
def test_a_command_that_changes_nothing_says_so_and_succeeds(command, api_key):
    if command != "resumekey":
        run(command, api_key.public_id)
    assert "already" in run(command, api_key.public_id)
    assert run_json(command, api_key.public_id)["changed"] is False


@pytest.mark.parametrize("command", ["pausekey", "resumekey"])
def test_a_deleted_key_stays_deleted(command, api_key):
    delete_key(key=api_key, by=None)
    with pytest.raises(CommandError, match=r"deleted for good.* createkey prj_"):
        run(command, api_key.public_id)


def test_listkeys_lists_living_keys_without_secrets(project, api_key):
    gone = run_json("createkey", project.public_id, "--name", "Old")
    run("deletekey", gone["id"])
    text = run("listkeys", project.public_id, "--json")
    assert [key["id"] for key in json.loads(text)["keys"]] == [api_key.public_id]
    assert api_key.secret not in text
    assert "Production server" in run("listkeys", project.public_id)
    assert len(run_json("listkeys", project.public_id, "--all")["keys"]) == 2


def test_a_project_without_keys_is_told_how_to_make_one(project):
    assert f"createkey {project.public_id}" in run("listkeys", project.public_id)
    assert run_json("listkeys", project.public_id) == {"keys": []}


@pytest.mark.parametrize(
    "project_id", ["prj_0000000000000000", "prj_", "", "prj_\0", "key_0000000000000000", "ü" * 5000]
)
def test_an_unknown_project_is_an_error_that_names_the_next_step(project_id):
    with pytest.raises(CommandError, match="createproject NAME --owner EMAIL"):
        run("listkeys", project_id)
    with pytest.raises(CommandError, match="No project"):
        run("createkey", project_id, "--name", "CI")


@pytest.mark.parametrize("key_id", ["key_0000000000000000", "", "key_\0", "prj_0000000000000000"])
@pytest.mark.parametrize("command", ["pausekey", "resumekey", "deletekey"])
def test_an_unknown_key_is_an_error_that_names_the_next_step(command, key_id):
    with pytest.raises(CommandError, match="listkeys PROJECT_ID"):
        run(command, key_id)


@pytest.mark.parametrize("email", ["nobody@example.com", "", "\0", "owner@example.com\0", "\udcff"])
def test_an_unknown_owner_is_an_error_that_names_the_next_step(email, owner):
    with pytest.raises(CommandError, match="createsuperuser"):
        run("createproject", "Acme", "--owner", email)


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 65, "pay\u202elap", "\udcff"])
def test_a_bad_name_is_an_error_and_makes_nothing(name, project, owner):
    with pytest.raises(CommandError):
        run("createproject", name, "--owner", owner.email)
    with pytest.raises(CommandError):
        run("createkey", project.public_id, "--name", name)
    assert Project.objects.count() == 1
    assert not ApiKey.objects.exists()


def test_a_taken_name_and_the_limit_are_errors(project, api_key, settings):
    with pytest.raises(CommandError, match="already has a key of that name"):
        run("createkey", project.public_id, "--name", "PRODUCTION server")
    settings.MAX_KEYS_PER_PROJECT = 1
    with pytest.raises(CommandError, match="has reached its limit"):
        run("createkey", project.public_id, "--name", "CI")


def test_a_deleted_project_gets_no_keys(project, owner):
    delete_project(project=project, by=owner)
    with pytest.raises(CommandError, match="No project"):
        run("createkey", project.public_id, "--name", "CI")


def test_without_a_key_ring_createkey_and_demo_say_what_is_missing(project, settings):
    settings.KEY_RING = ""
    for command in (["createkey", project.public_id, "--name", "CI"], ["demo"]):
        with pytest.raises(CommandError, match="KEY_RING is empty"):
            run(*command)


def test_an_error_ends_with_a_status_and_prints_nothing_on_stdout(tmp_path):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
    command = [sys.executable, "manage.py", "listkeys", "prj_0000000000000000", "--json"]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stdout == ""
    assert "manage.py migrate" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mail_that_is_only_shown_stands_apart_from_a_commands_json(transactional_db, project):
    command = [sys.executable, "manage.py", "createkey", project.public_id, "--name", "Server", "--json"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "MAIL_RETRY_SECONDS": "1"}
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["name"] == "Server"
    assert "Subject: [Latchkey] API key created: Server" in result.stderr


def test_listkeys_says_which_key_was_reported(api_key, project):
    services.report_leak(secret=api_key.secret)
    assert run_json("listkeys", project.public_id)["keys"][0]["pause_reason"] == "reported"
    assert "  Reported as leaked  " in run("listkeys", project.public_id)


@pytest.mark.parametrize("arguments", [[], ["help"], ["createkey", "--help"]], ids=" ".join)
def test_asking_for_help_leaves_nothing_on_the_disk(tmp_path, arguments):
    """This is often the first command on a new machine, run by another user than the server's."""
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "DATA_DIR": str(data), "TMPDIR": str(temporary)}
    command = [sys.executable, "manage.py", *arguments]
    printed = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert "createkey" in printed.stdout
    assert not data.exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("password", ["short1", "", "password1234", "boss@example.com"])
def test_createsuperuser_takes_no_password_that_sign_up_refuses(password, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    with pytest.raises(CommandError, match=r"DJANGO_SUPERUSER_PASSWORD: (The|This) password is (too|in lists)"):
        call_command("createsuperuser", email="boss@example.com", interactive=False, verbosity=0)
    assert not User.objects.exists()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a quiet harbour 41")
    call_command("createsuperuser", email="boss@example.com", interactive=False, verbosity=0)
    assert User.objects.get().check_password("a quiet harbour 41")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nobody", "Enter a valid email address."),
        ("a b@example.com", "Enter a valid email address."),
        ("bo\u017f\u017f@example.com", "The part before the @ has a letter"),
    ],
)
def test_createsuperuser_says_once_why_an_address_is_refused(address, reason):
    with pytest.raises(CommandError) as refusal:
        call_command("createsuperuser", email=address, interactive=False, verbosity=0)
    assert str(refusal.value).count(reason) == 1
    assert not User.objects.exists()
