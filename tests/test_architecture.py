"""Imports run one way, between layers and between rooms, and each room keeps to its rules."""

import ast
import inspect
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from apikeys.refusals import ALL
from projects.permissions import Role
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

# The layers, from top to bottom. A layer imports itself and the layers below it.
LAYERS = ["config", "apikeys", "projects", "accounts", "common"]

# The rooms of apikeys, and the rooms and modules of apikeys that each may import. `usage` counts the decisions of
# `verify`. One thread (writer_thread.py) writes for both and knows neither. Every room and `models` may use the judge
# (standing) and the table of refusals, which import only each other.
PURE = {"standing", "refusals"}
ROOMS = {
    "secrets": {"models"},
    "bounds": {"models", "keys", "leases"},
    "limits": {"models", "bounds", "writer_thread"},
    "leases": {"models", "writer_thread"},
    "keys": {"models", "bounds", "secrets", "usage", "audit_kinds", "leases"},
    "lifetimes": {"models", "bounds", "secrets", "keys", "usage", "audit_kinds", "leases"},
    "usage": {"models", "writer_thread"},
    "verify": {"models", "bounds", "leases", "limits", "secrets", "usage", "writer_thread"},
    "dry_run": {"models", "bounds", "usage", "verify"},
    "pages": {"models", "bounds", "leases", "limits", "dry_run", "secrets", "keys", "lifetimes", "hand_over", "usage"},
    "api": {"models", "secrets", "keys", "leases", "verify"},
    "hand_over": {"models", "keys", "leases", "lifetimes", "usage", "audit_kinds"},
    "responsible": {"models", "keys", "leases", "audit_kinds"},
    "demo": {"models", "bounds", "limits", "keys", "lifetimes", "usage", "audit_kinds"},
}
MOST_FLAT_MODULES = 12
# A room with more files than this should be two rooms.
MOST_IN_A_ROOM = 9
# File names that mean the same in each app. Django looks for most of them.
TWINS = {"admin", "apps", "audit_kinds", "forms", "models", "refusals"}
TWINS |= {"security_events", "services", "signals", "urls"}

# Modules of Django for pages and answers.
OF_PAGES = {"django.http", "django.shortcuts", "django.template", "django.urls", "django.contrib.messages"}
# Methods that write to the database through a model or a queryset.
WRITES = {
    *("save", "create", "update", "delete", "get_or_create", "update_or_create"),
    *("bulk_create", "bulk_update", "select_for_update", "add", "remove", "set", "clear"),
}
CHANGES_ROWS = re.compile(r"\s*(INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.IGNORECASE)


def modules(place: str) -> list[Path]:
    """The Python files of a folder without migrations, or the one file."""
    path = REPOSITORY / place
    found = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [file for file in found if "migrations" not in file.parts]


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(tree: ast.AST) -> set[str]:
    """Every imported module, anywhere in the file, with the names that are taken from it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports use absolute paths"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def runs(tree: ast.Module) -> ast.Module:
    """The module's code without the parts that only a type checker reads."""
    body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return ast.Module(body, type_ignores=[])


def is_in(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def rooms_used(tree: ast.AST, but: str) -> set[str]:
    """The imports from apikeys: rooms, and modules directly in apikeys. A room's models count as models."""
    places = [module.split(".") for module in imported(tree) if module.startswith("apikeys.")]
    return {"models" if place[2:3] == ["models"] else place[1] for place in places} - {but}


def database_writes(tree: ast.AST) -> Iterator[str]:
    """Calls that write rows, transactions, and SQL that changes rows, as far as the source text shows them.

    A receiver that is named after a cache, a set or a form writes no row: `cache.delete`, `names.add`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            receiver = ast.unparse(node.func.value)
            if ".objects" in receiver or node.func.attr in {"save", "select_for_update"} or is_a_queryset(receiver):
                yield ast.unparse(node.func)
        elif isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {"transaction.atomic", "atomic"}:
            yield "transaction.atomic"
        elif isinstance(node, ast.Constant) and CHANGES_ROWS.match(str(node.value)):
            yield str(node.value).strip().partition("\n")[0]


def is_a_queryset(receiver: str) -> bool:
    """Whether a call is chained to a query, or made on a relation or on one of our rows."""
    last = receiver.rpartition(".")[2]
    rows = {"api_keys", "memberships", "files", "audit_events", "events", "use"}
    rows |= {"key", "project", "membership", "event"}
    return last in rows or any(f".{query}(" in receiver for query in ("filter", "exclude", "all", "alive", "order_by"))


FILES = [(layer, path) for layer in LAYERS for path in modules(layer)]


@pytest.mark.parametrize(("layer", "path"), FILES, ids=[name_of(path) for _, path in FILES])
def test_imports_run_one_way(layer, path):
    above = {*LAYERS[: LAYERS.index(layer)], "tests", "bench"}
    assert not {module for module in imported(tree_of(path)) if is_in(module, above)}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_other_rooms_than_it_may(room):
    for path in modules(f"apikeys/{room}"):
        assert rooms_used(tree_of(path), room) <= ROOMS[room] | PURE, name_of(path)


def test_models_call_no_room():
    path = REPOSITORY / "apikeys" / "models.py"
    # Django finds the models of rooms through it.
    of_rooms = {f"apikeys.{each.parent.name}" for each in path.parent.glob("*/models.py")}
    used = {name.split(".")[1] for name in imported(runs(tree_of(path))) - of_rooms if name.startswith("apikeys.")}
    # What a key's column of restrictions says is read without a database.
    assert used - {name.split(".")[1] for name in of_rooms} <= PURE | {"bounds"}


def test_the_writer_thread_knows_no_room_that_it_works_for():
    assert not rooms_used(tree_of(REPOSITORY / "apikeys" / "writer_thread.py"), "writer_thread")


def test_every_folder_of_apikeys_is_a_room_or_djangos():
    folders = {path.name for path in (REPOSITORY / "apikeys").iterdir() if (path / "__init__.py").exists()}
    assert folders == {*ROOMS, "management", "migrations", "templatetags"}


def test_few_modules_lie_flat_in_apikeys():
    flat = [path.stem for path in (REPOSITORY / "apikeys").glob("*.py") if path.stem != "__init__"]
    assert len(flat) <= MOST_FLAT_MODULES, flat


ROOM_FOLDERS = sorted(
    {path.parent for layer in LAYERS for path in modules(layer) if path.parent.parent != REPOSITORY}
    - {folder for layer in LAYERS for folder in (REPOSITORY / layer).rglob("*") if "management" in folder.parts}
    - {REPOSITORY / layer / "templatetags" for layer in LAYERS}
)


@pytest.mark.parametrize("folder", ROOM_FOLDERS, ids=name_of)
def test_a_room_says_what_belongs_in_it_and_is_small(folder):
    tree = tree_of(folder / "__init__.py")
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1, "an __init__.py has no code"
    assert len(list(folder.glob("*.py"))) - 1 <= MOST_IN_A_ROOM


def test_no_two_rooms_have_a_file_of_one_name_unless_these_are_twins():
    names = Counter(path.stem for layer in LAYERS for path in modules(layer))
    assert {name for name, files in names.items() if files > 1} <= {*TWINS, "__init__"}


# What each room must not do


def imported_in_the_end(path: Path) -> set[str]:
    """The module's imports, and the imports of our own modules among them."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        new = imported(tree_of(waiting.pop())) - found
        found |= new
        files = [REPOSITORY / f"{module.replace('.', '/')}.py" for module in new]
        waiting += [file for file in files if file.exists()]
    return found


@pytest.mark.parametrize("path", [*modules("apikeys/standing.py"), *modules("apikeys/refusals.py")], ids=name_of)
def test_the_judge_and_the_table_touch_no_database_request_or_clock(path):
    tree, modules_used = tree_of(path), imported_in_the_end(path)
    assert "common.answers.refusals" in modules_used
    assert not {module for module in modules_used if is_in(module, {"django", "psycopg", "time"})}
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert not {"request", "identity", "connection"} & names
    clocks = {"now", "utcnow", "today", "time", "monotonic"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in clocks]


@pytest.mark.parametrize("layer", LAYERS)
def test_no_code_of_a_refusal_is_written_outside_its_table(layer):
    """Code names the refusal; its status, message and headers come from the table."""
    codes = {refusal.code for refusal in ALL if "_" in refusal.code}
    for path in modules(layer):
        # The events of the one, and the words of allauth's errors in the other, have the same names.
        if path.name == "refusals.py" or name_of(path) in {"common/security_log.py", "accounts/adapter.py"}:
            continue
        written = {node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant)}
        assert not {value for value in written if isinstance(value, str)} & codes, name_of(path)


def test_the_secrets_format_knows_nothing_of_django():
    assert not {m for m in imported(tree_of(REPOSITORY / "apikeys/secrets/secret_format.py")) if is_in(m, {"django"})}


@pytest.mark.parametrize("path", modules("apikeys/secrets"), ids=name_of)
def test_secrets_know_no_page(path):
    assert not {module for module in imported(tree_of(path)) if is_in(module, OF_PAGES)}


@pytest.mark.parametrize("path", modules("apikeys/keys"), ids=name_of)
def test_services_read_no_request(path):
    tree = tree_of(path)
    assert not {module for module in imported(tree) if is_in(module, {"django.http", "accounts.requests"})}
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert "request" not in names | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", modules("apikeys/verify"), ids=name_of)
def test_the_check_writes_nothing_on_the_way(path):
    """The check counts in memory. A thread of `usage` writes the counts later, with modules that the check does not
    import.
    """
    tree = tree_of(path)
    assert not list(database_writes(tree))
    assert not {
        module for module in imported(tree) if is_in(module, {"apikeys.usage.writing", "apikeys.usage.folding"})
    }


OF_INVITATIONS = ("invitations/services", "acceptance/acceptance")
# Services and the modules that they use. They raise their own errors, which know nothing of HTTP; views translate them.
SERVICES = [
    *(
        path
        for room in ("secrets", "keys", "hand_over", "responsible", "usage", "demo")
        for path in modules(f"apikeys/{room}")
    ),
    *(
        path
        for name in ("models", "locks", "members/memberships", *OF_INVITATIONS, "permissions", "services")
        for path in modules(f"projects/{name}.py")
    ),
    *(path for name in ("storage", "sweeping") for path in modules(f"projects/files/{name}.py")),
    *modules("accounts/services.py"),
    *modules("common/gone.py"),
]
OF_ANSWERS = {
    *("django.http.Http404", "django.shortcuts", "django.core.exceptions.PermissionDenied"),
    *("common.answers.envelope", "ninja.errors"),
}


@pytest.mark.parametrize("path", SERVICES, ids=name_of)
def test_services_raise_no_answers_of_http(path):
    assert not {module for module in imported(tree_of(path)) if is_in(module, OF_ANSWERS)}


# Rights


def roles_named(tree: ast.AST) -> Iterator[str]:
    """The places where code names a role: `Role.OWNER`, or the role's value in a query or a comparison.

    A field's default does not count, because it decides no right.
    """
    defaults = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "default"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in defaults:
            if ast.unparse(node.value).endswith("Role") and node.attr in Role.names:
                yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg and node.arg.removesuffix("__in").endswith("role"):
            yield from (value for value in Role.values if repr(value) in ast.unparse(node.value))
        elif isinstance(node, ast.Compare):
            yield from (value for value in Role.values if repr(value) in ast.unparse(node))


# permissions.py has the table of rights. The sample account makes up an owner's history.
MAY_NAME_ROLES = {"projects/permissions.py", "apikeys/demo/sample_account.py"}


@pytest.mark.parametrize("path", [path for _, path in FILES if name_of(path) not in MAY_NAME_ROLES], ids=name_of)
def test_rights_are_asked_for_by_name_and_never_by_role(path):
    assert not list(roles_named(tree_of(path)))


@pytest.mark.parametrize(
    "code",
    [
        "Membership.objects.filter(role=Role.OWNER)",
        "project.memberships.filter(role__in=[permissions.Role.OWNER])",
        "Project.objects.filter(memberships__role='owner')",
        "if membership.role == 'viewer': pass",
        "Membership.objects.create(role=Role.OWNER)",
    ],
)
def test_a_role_that_is_named_is_seen(code):
    assert list(roles_named(ast.parse(code)))


def test_templates_ask_for_rights_and_never_for_a_role():
    for template in (REPOSITORY / "templates").rglob("*.html"):
        assert not re.search(r"role\s*(==|!=|in\b)", template.read_text()), template


# Private parts of libraries

# For each library, the one module that may use its private parts. Each has a contract test, and the library is pinned
# to its minor version.
ADAPTERS = {
    "allauth": "accounts/allauth_internals.py",
    "ninja": "config/ninja_internals.py",
    "psycopg": "common/postgresql/base.py",
}
CONTRACTS = {
    "allauth": "tests/accounts/test_allauth_contract.py",
    "ninja": "tests/config/test_ninja_contract.py",
    "psycopg": "tests/common/postgresql/test_psycopg_contract.py",
}
DISTRIBUTIONS = {"allauth": "django-allauth", "ninja": "django-ninja", "psycopg": "psycopg"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_in(source: str) -> set[str]:
    return {name for name in re.findall(r"\b_\w+", source) if is_private(name)}


@cache
def private_names_of(library: str) -> frozenset[str]:
    """Every name with an underscore in the library's own source."""
    [folder] = import_module(library).__path__
    return frozenset(name for path in Path(folder).rglob("*.py") for name in names_in(path.read_text()))


@cache
def own_private_names() -> frozenset[str]:
    """Names with an underscore that we define, and those that Django's models and named tuples have for everybody."""
    found = set()
    for _, path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return frozenset({"_meta", "_make", "_replace", "_asdict", *filter(is_private, found)})


def bases_of_libraries(module: Any) -> Iterator[tuple[type, str, type]]:
    """Each class of the module with a base from a library that has an adapter. The adapters' own classes do not count
    as such bases.
    """
    for cls in vars(module).values():
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            for base in cls.__mro__[1:]:
                if (library := base.__module__.split(".")[0]) in ADAPTERS:
                    yield cls, library, base


def source_of(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except OSError:  # a class that is made at run time
        return ""


def private_uses(path: Path) -> Iterator[str]:
    """Private parts of libraries that a module uses: imports, attributes, and overridden methods."""
    tree = tree_of(path)
    used = imported(tree)
    for library in ADAPTERS:
        mine = {name for name in used if is_in(name, {library})}
        yield from (
            f"{library}: {name}" for name in mine if ".internal" in name or any(map(is_private, name.split(".")))
        )
        if mine:
            foreign = private_names_of(library) - own_private_names()
            yield from (
                f"{library}: {ast.unparse(node)}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and node.attr in foreign
            )
    module = import_module(name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    for cls, library, base in bases_of_libraries(module):
        taken = names_in(source_of(cls)) & names_in(source_of(base))
        yield from (f"{library}: {cls.__name__}.{name}" for name in taken)


# Each folder uses a library, or a class that is derived from a library.
USES_LIBRARIES = [
    path
    for _, path in FILES
    if any(is_in(name, {*ADAPTERS}) or "_internals" in name for name in imported(tree_of(path)))
]


@pytest.mark.parametrize("path", USES_LIBRARIES, ids=name_of)
def test_private_parts_of_a_library_are_used_in_its_adapter_alone(path):
    allowed = {f"{library}: " for library, adapter in ADAPTERS.items() if adapter == name_of(path)}
    assert not [use for use in private_uses(path) if not use.startswith(tuple(allowed))]


@pytest.mark.parametrize("library", ADAPTERS)
def test_a_library_whose_private_parts_are_used_is_pinned_and_has_a_contract(library):
    assert any(use.startswith(f"{library}: ") for use in private_uses(REPOSITORY / ADAPTERS[library])), (
        "private_uses sees the adapter's uses"
    )
    assert (REPOSITORY / CONTRACTS[library]).exists()
    dependencies = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    [pin] = [found for found in dependencies if re.split(r"[\[~<>=]", found)[0] == DISTRIBUTIONS[library]]
    assert re.search(r"~=\d+\.\d+\.\d+$", pin), pin


PAGES_AND_CALLS = [*modules("apikeys/pages"), *modules("apikeys/api"), *modules("projects/views.py")]
CALLERS = [*PAGES_AND_CALLS, *modules("apikeys/management"), *modules("apikeys/admin.py")]
CALLERS += [*modules("apikeys/bounds_admin.py"), *modules("apikeys/bounds_admin_forms.py")]


@pytest.mark.parametrize("path", CALLERS, ids=name_of)
def test_pages_calls_commands_and_admin_leave_changes_to_services(path):
    assert not list(database_writes(tree_of(path)))


@pytest.mark.parametrize(
    "code",
    [
        "ApiKey.objects.filter(pk=1).update(state='paused')",
        "ApiKey.objects.create(name='x')",
        "key.save(update_fields=['state'])",
        "key.delete()",
        "project.api_keys.update(state='paused')",
        "project.memberships.filter(user=user).delete()",
        "Project.objects.select_for_update().get(pk=1)",
        "with transaction.atomic(): pass",
        "cursor.execute('UPDATE apikeys_apikey SET state = %s', ['paused'])",
    ],
)
def test_writes_are_seen(code):
    assert list(database_writes(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["cache.delete('x')", "names.add(name)", "context.update(x=1)", "self.__dict__.update(x=1)", "counts.clear()"],
)
def test_calls_that_write_no_row_are_no_writes(code):
    assert not list(database_writes(ast.parse(code)))


def test_no_app_below_apikeys_names_a_state_of_a_key():
    """`ApiKeyQuerySet` says which keys are alive and which are deleted. A new state is then one change."""
    named = re.compile(r"api_keys__state|api_keys\.\w+\(state\b|\bstate__in=\[\"")
    places = [file for layer in ("projects", "accounts", "common") for file in modules(layer)]
    assert [str(file) for file in places if named.search(file.read_text())] == []
