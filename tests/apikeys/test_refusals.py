"""The table of refusals, and everything made from it: docs/api.md, the help page, the API reference."""

import html
import re

import pytest

from apikeys import refusals
from apikeys.refusals import ALL, LET_IN, OF_A_KEY, OUTCOMES
from apikeys.usage.models import KeyUse
from common.answers.envelope import error_body, error_headers
from common.answers.refusals import UNAVAILABLE
from projects.permissions import Permission, one_who
from tests.support.calls.openapi import document_of, operations
from tests.support.environment import REPOSITORY
from tests.support.places.pages import page

BY_CODE = {refusal.code: refusal for refusal in ALL}
EACH = pytest.mark.parametrize("refusal", ALL, ids=BY_CODE)


@pytest.mark.nodb
def test_each_code_is_in_the_table_once():
    assert len(ALL) == len(BY_CODE)


@pytest.mark.nodb
def test_the_table_names_the_roles_that_manage_keys():
    assert one_who(Permission.MANAGE_KEYS) == refusals.WHO_MANAGES_KEYS


@pytest.mark.nodb
@EACH
def test_each_refusal_has_all_its_texts(refusal):
    assert re.fullmatch("[a-z_]+", refusal.code)
    assert 400 <= refusal.status < 600
    assert refusal.message[0].isupper()
    assert refusal.message.endswith(".")
    for part in (refusal.when, refusal.help):
        assert part, "docs/api.md and the help page show it"
        assert not part.endswith("."), "the text is a part of a sentence"
        assert part.count("`") % 2 == 0
        assert "|" not in part, "the text is in a table of Markdown"
    assert bool(refusal.outcome) == bool(refusal.reason), "an outcome has a reason in words"


@pytest.mark.nodb
@EACH
def test_docs_api_md_has_the_refusals_row(refusal):
    row = f"| {refusal.status} | `{refusal.code}` | {refusal.when} | {refusal.help} |"
    rows = (REPOSITORY / "docs" / "api.md").read_text().splitlines()
    before = [*BY_CODE][: [*BY_CODE].index(refusal.code)]
    place = f"after the row of {before[-1]}" if before else "as the first row"
    if row not in rows:
        pytest.fail(f"Add to the table of errors in docs/api.md, {place}:\n{row}", pytrace=False)


@pytest.mark.nodb
def test_docs_api_md_has_no_other_refusals():
    rows = re.findall(r"^\| \d{3} \| `(\w+)` \|", (REPOSITORY / "docs" / "api.md").read_text(), re.MULTILINE)
    assert rows == [*BY_CODE], "docs/api.md has the rows of apikeys.refusals.ALL, in that order"


@pytest.mark.nodb
def test_an_answer_is_made_from_the_refusal_alone():
    assert error_body("req_x", refusals.KEY_PAUSED)["error"] == {
        "code": "key_paused",
        "message": "This API key is paused. An owner or a developer of the project can re-enable it in its settings.",
    }
    assert error_headers(refusals.KEY_PAUSED)["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert error_headers(refusals.KEY_MISSING)["WWW-Authenticate"] == 'Bearer realm="api"'
    assert "WWW-Authenticate" not in error_headers(refusals.FORBIDDEN)


@pytest.mark.nodb
def test_calls_are_counted_by_the_tables_outcomes():
    assert [*OUTCOMES] == list(dict.fromkeys([LET_IN, *(each.outcome for each in OF_A_KEY if each.outcome)]))
    assert KeyUse._meta.get_field("outcome").choices == [*OUTCOMES.items()]


@pytest.mark.django_db
def test_the_help_page_explains_every_refusal_of_a_key(client):
    shown = html.unescape(re.sub(r"</?code>", "`", client.get(page("apikeys:help")).content.decode()))
    shown = re.sub(r">\s+<", "><", shown)
    for refusal in (*OF_A_KEY, UNAVAILABLE):
        when, what = (f"{part[0].upper()}{part[1:]}." for part in (refusal.when, refusal.help))
        assert f"<td>`{refusal.code}`</td><td>{when} {what}</td>" in shown


@pytest.mark.django_db
def test_the_api_reference_says_of_each_answer_which_refusals_it_can_be(client):
    answers = {operation["operationId"]: operation["responses"] for *_, operation in operations(document_of(client))}
    for call in ("getMe", "verify", "uploadFile"):
        for refusal in (*OF_A_KEY, UNAVAILABLE):
            assert f"`{refusal.code}`: {refusal.when}." in answers[call][str(refusal.status)]["description"]
    assert "`storage_exceeded`" in answers["uploadFile"]["413"]["description"]
    assert "too_many_reports" not in str(answers["getMe"])
    assert "signature_refused" not in str(answers["uploadFile"])
    assert answers["reportLeak"]["429"]["description"] == f"`too_many_reports`: {refusals.TOO_MANY_REPORTS.when}."
    assert "401" not in answers["reportLeak"]
