"""The table of promises in docs/security.md is complete, and each named test exists and cites its promise."""

import ast
import re

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

ROWS = re.findall(
    r"^\| ([TLHB]\d+) \| [^|]+ \| `(tests/[\w/]+\.py)::(\w+)` \| [^|]+ \|$",
    (REPOSITORY / "docs" / "security.md").read_text(),
    re.MULTILINE,
)


def test_every_promise_has_its_row():
    names = [name for name, _, _ in ROWS]
    assert [name for name in names if name[0] == "T"] == [f"T{number}" for number in range(1, 56)]
    of_lifetimes = [name for name in names if name[0] == "L"]
    assert of_lifetimes == sorted(set(of_lifetimes))
    of_bounds = [name for name in names if name[0] == "B"]
    assert of_bounds == sorted(set(of_bounds))
    of_people = [name for name in names if name[0] == "H"]
    assert of_people == sorted(set(of_people))
    of_bounds = [name for name in names if name[0] == "B"]
    assert of_bounds == sorted(set(of_bounds))


@pytest.mark.parametrize(("promise", "file", "test"), ROWS, ids=[row[0] for row in ROWS])
def test_the_test_of_a_promise_names_it(promise, file, test):
    tree = ast.parse((REPOSITORY / file).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert promise in re.findall(r"[TLHB]\d+", ast.get_docstring(functions[test]) or "")
