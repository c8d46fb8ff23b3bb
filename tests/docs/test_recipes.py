"""The recipes of CONTRIBUTING.md: what each list asks for is what the code needs."""

import re
from pathlib import Path

import pytest

from tests.config.test_documented_answers import ADDRESSES
from tests.support.calls.api_client import API
from tests.support.calls.openapi import document_of, operations
from tests.support.environment import REPOSITORY
from tests.support.places.access import ACCESS
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
    rows = re.findall(r"^\| `([^`]+)`.* \| (.+) \|$", RECIPES[recipe], re.MULTILINE)
    assert len(rows) >= 3
    assert all((REPOSITORY / file).exists() for file, _ in rows)


# A setting

READERS = (
    "flag|one_of|whole_number|seconds|secret|host_names|origins|listed|given|web_address|sender|contacts|log_level"
)
# Nobody sets these for Latchkey: development, and what other servers set and Latchkey refuses.
NOT_SETTINGS = {"DEBUG", "SCRIPT_NAME", "FORCE_SCRIPT_NAME", "PYTHONPATH"}


def variables_read() -> set[str]:
    code = "\n".join(path.read_text() for path in (REPOSITORY / "config").rglob("*.py"))
    direct = re.findall(rf'\b(?:{READERS}|env\.\w+|os\.environ\.get)\(\s*"([A-Z][A-Z_]+)"', code)
    return {*direct, *re.findall(r'^ +\("([A-Z_]+)", "', text_of("config/management/commands/serve.py"), re.MULTILINE)}


@pytest.mark.nodb
def test_every_setting_has_its_row_and_every_row_its_setting():
    rows = {name for cell in table("docs/running.md", "Settings") for name in re.findall(r"`([A-Z_]+)`", cell)}
    read = variables_read() - NOT_SETTINGS
    assert len(read) > 40
    assert rows == read


@pytest.mark.nodb
def test_every_setting_is_tested():
    tests = "\n".join(path.read_text() for path in (REPOSITORY / "tests" / "config").rglob("test_*.py"))
    assert not {name for name in variables_read() - {"PYTHONPATH"} if not re.search(rf"\b{name}\b", tests)}


# An API call


@pytest.mark.django_db
def test_every_call_of_the_api_is_where_the_recipe_says(client):
    calls = {operation["operationId"]: (method, path) for path, method, operation in operations(document_of(client))}
    assert set(calls) == set(ADDRESSES)
    documented = {re.sub(r"\?.*", "", cell.strip("`")) for cell in table("docs/api.md", "The calls")}
    paths = {call: re.sub(r"{\w+}", "{id}", path.removeprefix(API)) for call, (_, path) in calls.items()}
    own_names = {f"{method} {paths[call]}" for call, (method, _) in calls.items()}
    assert documented == own_names


@pytest.mark.nodb
def test_every_route_of_the_api_has_its_row_of_personas():
    assert {route.pattern for route in all_routes() if route.is_api} <= set(ACCESS)


@pytest.mark.nodb
def test_the_recipes_of_this_file_are_all_there_are():
    """Each recipe has a part of this file."""
    parts = re.findall(r"^# (An? .+)$", Path(__file__).read_text(), re.MULTILINE)
    assert list(RECIPES) == parts
