"""The recipes of CONTRIBUTING.md: the code needs exactly the entries that each list names."""

import re
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import call_command
from django.db import connection, transaction

import config.api
from apikeys import models, standing
from apikeys.pages import project
from apikeys.refusals import OF_A_KEY
from apikeys.secrets import vault
from apikeys.standing import Facts, Standing
from apikeys.verify import key_lookup
from apikeys.verify.verification import verify
from common.answers.refusals import Refusal
from common.security_log import Event
from projects.audit_log import kinds, recording
from projects.audit_log.kinds import NOBODY, Kind, Subject
from projects.audit_log.models import AuditEvent
from projects.permissions import Permission, Role, permissions_of, reason
from tests.config.test_documented_answers import ADDRESSES
from tests.support.calls.api_client import API
from tests.support.calls.openapi import document_of, operations
from tests.support.environment import ON_SQLITE, REPOSITORY
from tests.support.places.access import ACCESS, PERSONAS
from tests.support.places.pages import page, text
from tests.support.places.routes import all_routes

GUIDE = (REPOSITORY / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^### (An? .+)\n((?:(?!^###? ).*\n)+)", GUIDE.partition("\n## Recipes\n")[2], re.MULTILINE))


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text()


def table(page: str, heading: str) -> list[str]:
    """The first cells of the table below a heading."""
    section = text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[2:]


@pytest.mark.nodb
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_list_of_files(recipe):
    cells = re.findall(r"^\| (.+?) \| .+ \|$", RECIPES[recipe], re.MULTILINE)
    files = [file for cell in cells for file in re.findall(r"`([\w/.-]+)`", cell)]
    assert len(files) >= 3
    assert [file for file in files if not (REPOSITORY / file).exists()] == []


# An event kind


@pytest.fixture
def without_constraints(db):
    """Removes the database's constraints on kinds. The recipe's migration would add the kind to them."""
    with connection.cursor() as cursor:
        if ON_SQLITE:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for name in ("auditevent_kind_is_known", "auditevent_names_its_key"):
                cursor.execute(f"ALTER TABLE {AuditEvent._meta.db_table} DROP CONSTRAINT {name}")
    yield
    if ON_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def test_a_new_kind_of_event_is_on_the_page_in_its_filter_and_in_its_file(
    without_constraints, owner, api_key, signed_in, monkeypatch
):
    """Performs the recipe: with one entry, everything that shows events shows the new kind."""
    kind = Kind("tickled", Subject.KEY, "Key tickled", "{by} tickled {key}", "sparkles", None, NOBODY)
    monkeypatch.setitem(kinds._registered, kind.code, kind)
    with transaction.atomic():
        recording.record(kind, key=api_key, by=owner, address="192.0.2.1")
    client, activity = signed_in(owner), page("apikeys:activity", api_key.project)
    shown = client.get(activity, {"kind": kind.code}).content.decode()
    assert f"<strong>{owner.email}</strong> tickled <strong>{api_key.name}</strong>" in shown
    assert re.search('<option value="tickled" selected>Key tickled</option>', shown)
    assert "Key tickled" in b"".join(client.get(page("apikeys:activity_csv", api_key.project))).decode()


@pytest.mark.nodb
def test_every_kind_of_event_has_a_line_of_the_log():
    assert all(kind.log_event in Event for kind in kinds.all_kinds())


# A refusal


@pytest.mark.django_db
def test_a_new_refusal_of_a_key_is_explained_by_help_page_and_reference(client, monkeypatch):
    """Performs the recipe: with one entry in the table, pages and documents have the refusal."""
    new = Refusal(code="key_asleep", status=403, message="It sleeps.", when="the key sleeps", help="wake the key")
    for module in (project, config.api):
        monkeypatch.setattr(module, "OF_A_KEY", (*OF_A_KEY, new))
    monkeypatch.delitem(vars(config.api.api), "_document", raising=False)
    assert "key_asleep The key sleeps. Wake the key." in text(client.get("/help/"))
    answer = document_of(client)["paths"][f"{API}/me"]["get"]["responses"]["403"]
    monkeypatch.delitem(vars(config.api.api), "_document")
    assert "`key_asleep`: the key sleeps." in answer["description"]


# A standing


@pytest.mark.django_db
def test_a_new_standing_is_judged_and_shown_everywhere(api_key, owner, admin, signed_in, monkeypatch):
    """Performs the recipe with existing facts: with one entry, check, pages, admin and command have the standing."""
    new = Standing(
        code="asleep",
        where=[{"state": "active", "responsible_is_active": True}],
        label="Asleep",
        badge="paused",
        icon="moon",
        sentence="Every request with it is rejected, because it sleeps.",
        advice="Wake it.",
        refusal=Refusal(code="key_asleep", status=403, message="It sleeps.", when="x", help="y", outcome="paused"),
    )
    rules = [*standing.rules_of(new), *standing._RULES]
    monkeypatch.setattr(standing.standing_of, "__defaults__", (standing.by_state(rules),))
    assert verify(f"Bearer {api_key.secret}").code == "key_asleep"
    shown = signed_in(owner).get(page("apikeys:settings", api_key.project)).content.decode()
    assert "Asleep" in shown
    assert "because it sleeps." in shown
    assert "Asleep" in signed_in(admin).get("/admin/apikeys/apikey/").content.decode()
    listed = StringIO()
    call_command("listkeys", api_key.project.public_id, stdout=listed)
    assert "Asleep" in listed.getvalue()


@pytest.mark.nodb
def test_every_fact_of_a_standing_has_its_columns():
    assert set(Facts._fields) == set(models._FACTS) == set(key_lookup._FACTS)


# A role


@pytest.mark.nodb
@pytest.mark.parametrize("role", Role)
def test_a_role_is_where_the_recipe_says(role):
    assert role.phrase.endswith(role.value)
    assert permissions_of(role)
    assert role.value in PERSONAS, "add it in tests/support/places/access.py"
    row = f"| {', '.join(Role.values)} | "
    assert any(line.startswith(row) for line in text_of("docs/product.md").splitlines()), f"docs/product.md needs {row}"


@pytest.mark.nodb
def test_every_permission_has_its_sentence():
    assert all(reason(permission).endswith(".") for permission in Permission)


# A column of the check


@pytest.mark.django_db
def test_a_field_of_the_identity_is_all_that_a_new_column_needs(api_key):
    """Performs the recipe in a copy of the module: with one line, the query reads the column."""
    source = text_of("apikeys/verify/key_lookup.py")
    line = 'user_email: Annotated[str, "u.email"]'
    assert line in source
    copy = ModuleType("key_lookup_with_one_more_column")
    exec(source.replace(line, f'{line}\n    key_mask: Annotated[str, "k.mask"]'), vars(copy))  # noqa: S102
    identity = copy.look_up(vault.digests(api_key.secret)).identity
    assert (identity.key_mask, identity.key_id) == (api_key.mask, api_key.public_id)


@pytest.mark.nodb
def test_every_field_of_the_identity_is_documented():
    section = text_of("docs/django.md").partition("## What a view gets")[2].partition("\n## ")[0]
    undocumented = set(key_lookup.Identity._fields) - set(re.findall(r"`(\w+)`", section))
    assert undocumented == set(), 'name it in docs/django.md, "What a view gets"'


# A setting

READERS = (
    "ways|issuer|provider_name|mail_domains|"
    "flag|one_of|whole_number|seconds|secret|host_names|origins|listed|given|link|web_address|sender|contacts|log_level"
)
# Not settings of Latchkey: variables for development, of other servers that Latchkey rejects, and of the system.
OF_THE_SYSTEM = {"PYTHONPATH", "NOTIFY_SOCKET", "XDG_DATA_HOME"}
NOT_SETTINGS = {"DEBUG", "SCRIPT_NAME", "FORCE_SCRIPT_NAME"} | OF_THE_SYSTEM


def variables_read() -> set[str]:
    code = "\n".join(path.read_text() for path in (REPOSITORY / "config").rglob("*.py"))
    direct = re.findall(rf'\b(?:{READERS}|env\.\w+|os\.environ\.get)\(\s*"([A-Z][A-Z_]+)"', code)
    return {*direct, *re.findall(r'^ +\("([A-Z_]+)", "', text_of("config/management/commands/serve.py"), re.MULTILINE)}


@pytest.mark.nodb
def test_every_setting_has_its_row_and_every_row_its_setting():
    cells = re.findall(r"^\| (`.+?) \|", text_of("docs/settings.md"), re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)]
    rows = set(listed)
    read = variables_read() - NOT_SETTINGS
    assert len(read) > 40
    assert read - rows == set(), "add a row to a table of docs/settings.md"
    assert rows - read == set(), "remove the row from docs/settings.md: no code reads the variable"
    assert len(listed) == len(rows), "a setting has one row"


@pytest.mark.nodb
def test_every_setting_is_tested():
    tests = "\n".join(path.read_text() for path in (REPOSITORY / "tests" / "config").rglob("test_*.py"))
    untested = {
        name
        for name in variables_read() - {"PYTHONPATH", "NOTIFY_SOCKET", "XDG_DATA_HOME"}
        if not re.search(rf"\b{name}\b", tests)
    }
    assert untested == set(), "add it to SETTINGS in tests/config/environment/test_broken_environments.py"


# An API call


@pytest.mark.django_db
def test_every_call_of_the_api_is_where_the_recipe_says(client):
    calls = {operation["operationId"]: (method, path) for path, method, operation in operations(document_of(client))}
    assert set(calls) == set(ADDRESSES), "ADDRESSES is in tests/config/test_documented_answers.py"
    documented = {re.sub(r"\?.*", "", cell.strip("`")) for cell in table("docs/api.md", "The requests")}
    paths = {call: re.sub(r"{\w+}", "{id}", path.removeprefix(API)) for call, (_, path) in calls.items()}
    own_names = {f"{method} {paths[call]}" for call, (method, _) in calls.items()}
    assert documented == own_names, 'docs/api.md has a row for each call in "The requests"'


@pytest.mark.nodb
def test_every_route_of_the_api_has_its_row_of_personas():
    missing = {route.pattern for route in all_routes() if route.is_api} - set(ACCESS)
    assert missing == set(), "add a row to ACCESS in tests/support/places/access.py"


@pytest.mark.nodb
def test_the_recipes_of_this_file_are_all_there_are():
    """Each recipe has a section in this file."""
    parts = re.findall(r"^# (An? .+)$", Path(__file__).read_text(), re.MULTILINE)
    assert list(RECIPES) == parts
