"""Paths and names of code on the pages exist.

A page names a file as `apikeys/urls.py`, a folder as `apikeys/verify`, and code as `apikeys.keys.pausing.pause_key`.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from common import database_deadline
from common.postgresql import base
from common.slow_clients import slots
from config.serving import server
from tests.docs.test_links import PAGES
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

SPAN = re.compile(r"`([^`\n]+)`")
FOLDERS = "config|apikeys|projects|accounts|common|templates|static|tests|bench|docs|scripts|\\.ci|\\.github"
PLACE = re.compile(rf"(?:{FOLDERS})(?:/[\w.-]+)*/?")
DOTTED = re.compile(r"(?:config|apikeys|projects|accounts|common|tests|bench)(?:\.\w+)+")
# Paths anywhere on a page, including code blocks and diagrams.
FILE = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})(?:/[\w.-]+)+\.\w+")
IDS = [str(page.relative_to(REPOSITORY)) for page in PAGES]


def module_of(names: list[str]) -> tuple[Path, list[str]] | None:
    """The file of the longest part of a dotted name that is a module, and the names after that part."""
    for length in range(len(names), 0, -1):
        path = REPOSITORY.joinpath(*names[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file, names[length:]
    return None


@cache
def body_of(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text()).body


def names_in(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """The names that a module or a class defines, including nested ones."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node.body if isinstance(node, ast.ClassDef) else []
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            found |= {name.id: [] for name in ast.walk(target) if isinstance(name, ast.Name)} if target else {}
    return found


def exists(dotted: str) -> bool:
    found = module_of(dotted.split("."))
    if found is None:
        return False
    file, names = found
    body = body_of(file)
    for name in names:
        within = names_in(body)
        if name not in within:
            return False
        body = within[name]
    return True


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_place_and_name_exists(page):
    text = page.read_text()
    spans = SPAN.findall(re.sub(r"(?ms)^```.*?^```", "", text))
    places = [span for span in spans if "/" in span and PLACE.fullmatch(span)] + FILE.findall(text)
    assert not [place for place in places if not (REPOSITORY / place).exists()]
    for file, test in re.findall(r"(tests/[\w/]+\.py)::(\w+)", text):
        assert test in names_in(body_of(REPOSITORY / file)), (file, test)
    dotted = [span for span in spans if DOTTED.fullmatch(span) and not PLACE.fullmatch(span)]
    assert not [name for name in dotted if not exists(name)]


@pytest.mark.parametrize(
    "name", ["apikeys.keys.pausing.pause_key", "apikeys.models.ApiKey.Meta", "config.settings.THREADS"]
)
def test_names_are_found(name):
    assert exists(name)


@pytest.mark.parametrize(
    "name", ["apikeys.keys.services.stop_key", "apikeys.models.ApiKey.Beta", "apikeys.nothing", "projects.x"]
)
def test_missing_places_and_names_are_not_found(name):
    assert not exists(name)


def test_the_architecture_page_names_every_room_and_module_of_apikeys():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in (REPOSITORY / "apikeys").glob("*/__init__.py")}
    modules = {path.name for path in (REPOSITORY / "apikeys").glob("*.py")}
    named = (rooms - {"migrations", "templatetags"}) | (
        modules - {"__init__.py", "admin.py", "apps.py", "checks.py", "urls.py"}
    )
    assert not {name for name in named if f"`apikeys/{name}`" not in page}


def test_the_time_limits_of_the_architecture_page_are_those_of_the_code():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    statement, lock = (base.LIMITS[name] / 1000 for name in ("statement_timeout", "lock_timeout"))
    assert f"{database_deadline.SECONDS:g} s in all | `common.database_deadline.SECONDS`" in page
    assert f"{statement:g} s; {lock:g} s, by PostgreSQL itself" in page
    assert f"{server.DRAIN_SECONDS} s | `config.serving.server.DRAIN_SECONDS`" in page
    assert slots.share() == settings.THREADS // 4


def test_every_thread_that_a_process_starts_is_on_the_architecture_page():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    layers = ("config", "apikeys", "projects", "accounts", "common")
    files = [path for layer in layers for path in (REPOSITORY / layer).rglob("*.py")]
    started = {
        target
        for path in files
        for target in re.findall(r"(?:Thread\(target=|background_thread\.start\()(?:self\.)?(\w+)", path.read_text())
    } - {"run"}
    assert started
    assert not {name for name in started if not re.search(rf"`[\w.]+\.{name}`", page)}
