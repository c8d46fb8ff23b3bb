"""docs/single-sign-on.md explains every reason that the log can give."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from accounts.single_sign_on import problems

ROOM = Path(problems.__file__).parent
DOCS = (ROOM.parents[1] / "docs" / "single-sign-on.md").read_text()
KINDS = {"Refused", "Unavailable", "Problem", "_not_confirmed", "_no_account", "not_signed_in_there"}


def words_of(node: ast.expr) -> Iterator[str]:
    """A reason as the code writes it; the beginning of a text that goes on with a value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value) + "…"


def reasons() -> set[str]:
    found = set()
    for path in ROOM.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
        for call in calls:
            is_inherited = path.name == "problems.py" and ast.unparse(call.func) == "super().__init__"
            if is_inherited or ast.unparse(call.func) in KINDS:
                found |= set(words_of(call.args[0]))
    return found


def explained() -> set[str]:
    rows = re.findall(r"^\| ([^|]*) \|", DOCS, re.MULTILINE)
    return {reason for row in rows for reason in re.findall(r"`([^`]+)`", row)}


def test_the_table_and_the_code_have_the_same_reasons():
    of_code, of_docs = reasons(), explained()
    assert len(of_code) > 25
    assert of_code <= of_docs, of_code - of_docs
    begun = tuple(reason.removesuffix("…") for reason in of_code if reason.endswith("…"))
    made_up = {reason for reason in of_docs - of_code if not reason.startswith(begun) and not reason.endswith("Error")}
    assert made_up == {"gaierror"}


@pytest.mark.parametrize(
    "name",
    [
        *("InvalidSignatureError", "InvalidIssuerError", "InvalidAudienceError", "ExpiredSignatureError"),
        *(
            "DecodeError",
            "ImmatureSignatureError",
            "InvalidIssuedAtError",
            "MissingRequiredClaimError",
            "InvalidSubjectError",
        ),
    ],
)
def test_the_errors_of_a_token_that_the_table_names_are_those_of_the_library(name):
    assert issubclass(getattr(jwt, name, None) or getattr(jwt.exceptions, name), jwt.PyJWTError)
    assert name in explained()
