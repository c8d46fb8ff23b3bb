import ast

import pytest

from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

# A database of that age is converted with the checkout of that age.
OF_A_CHECKOUT = "before v0.1.0, run manage.py migrate there, and come back."


@pytest.mark.parametrize("floor", ["accounts", "apikeys", "common", "config", "projects"])
def test_no_advice_names_manage_py_where_there_may_be_none(floor):
    """An installed Latchkey has the program `latchkey` instead."""
    for path in (REPOSITORY / floor).rglob("*.py"):
        texts = [text for text in strings_in(ast.parse(path.read_text())) if "manage.py " in text]
        assert [text for text in texts if OF_A_CHECKOUT not in text] == [], f"{path}: use common.installation.MANAGE"


def strings_in(tree: ast.Module) -> list[str]:
    """All strings but those that stand alone, as docstrings do."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone]
    return [node.value for node in constants if isinstance(node.value, str)]
