"""The rules for every answer to every request: the promises that no input may break."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

from common.names import looks_like_secret
from tests.fuzz.attacks import Attack
from tests.fuzz.rows import Row, Snapshot, changes
from tests.fuzz.stage import NOBODY, Stage
from tests.fuzz.wire import Answer
from tests.fuzz.words import MARK

OPEN_TO_ALL = {"api/v1/openapi.json", "api/v1/docs", "api/v1/report"}
# Rejected before our code, because it is no HTTP: an answer without a body.
UNREADABLE = {400, 408, 413, 414, 431, 505}
_RIGHT = re.compile(r"(?i:bearer) +(\S+)")


def judge(attack: Attack, answer: Answer, stage: Stage) -> None:
    """Raises AssertionError for a 5xx, an entry, an echoed secret, a malformed error, or a redirect elsewhere."""
    assert answer.status, "the server hung up"
    assert answer.status < 500, f"{answer.status}: {answer.body[:300]!r}"
    assert "X-Evil" not in answer.headers
    if attack.is_to_api(stage):
        _judge_api(attack, answer, stage)
    if location := answer.headers.get("Location") or answer.headers.get("HX-Redirect"):
        # A browser reads \\ as / and leaves out control characters.
        assert not re.match(r"[\x00-\x20]*[/\\]{2}", location), location
        assert urlsplit(location)[:2] == ("", ""), location
    if answer.headers.get_content_type() == "text/html":
        assert MARK.encode() not in answer.body, "HTML of the sender's making"
    for part in stage.random_parts:
        assert part not in answer.everything or _may_read(part, attack, answer, stage), "a secret came back"


def is_entitled(attack: Attack, stage: Stage) -> bool:
    """Whether the Authorization header is the one correct form with a working key."""
    headers = attack.authorizations(stage)
    match = _RIGHT.fullmatch(headers[0].strip(" \t")) if len(headers) == 1 else None
    return match is not None and match[1] in stage.secrets


def _judge_api(attack: Attack, answer: Answer, stage: Stage) -> None:
    assert not 300 <= answer.status < 400, "the API never redirects"
    if 200 <= answer.status < 300 and attack.route.pattern not in OPEN_TO_ALL:
        is_open = attack.method == "OPTIONS" and not attack.route.pattern.endswith("/verify")
        assert is_open or is_entitled(attack, stage), "let in without the key"
    if answer.status < 400 or attack.method == "HEAD" or (answer.status in UNREADABLE and not answer.body):
        return
    assert answer.headers.get_content_type() == "application/json"
    error = json.loads(answer.body)
    assert set(error) == {"meta", "data", "error", "links"}
    assert set(error["error"]) == {"code", "message"}
    assert error["meta"]["type"] == "error"
    assert error["meta"]["request_id"] == answer.headers["X-Request-Id"]


def _may_read(part: bytes, attack: Attack, answer: Answer, stage: Stage) -> bool:
    """An owner may read the secret that they ask for. A page may repeat the address that its reader wrote, but not a
    whole secret in its query.
    """
    if attack.route.pattern.endswith(("/copy/", "/reveal/")) and answer.status == 200:
        return attack.who == "owner" and attack.method == "POST"
    path, _, query = attack.target(stage).partition("?")
    asked = [text for pair in parse_qsl(query, keep_blank_values=True) for text in pair if not looks_like_secret(text)]
    return any(part.decode() in text for text in [path, *asked]) and not attack.is_to_api(stage)


def may_change_anything(attack: Attack) -> bool:
    return attack.who in {"owner", "admin"} and attack.has_token and not attack.is_safe and not attack.route.is_api


def judge_changes(attack: Attack, before: Snapshot, after: Snapshot, stage: Stage) -> None:
    """Raises AssertionError if rows changed that the sender has no right to change."""
    for row, is_new in changes(before, after):
        what = f"{'new' if is_new else 'gone'} in {row.table}: {row.values}"
        assert _may_change(attack, row, is_new, stage), what


def _may_change(attack: Attack, row: Row, is_new: bool, stage: Stage) -> bool:
    if attack.is_safe:
        return False
    if attack.route.is_api:
        return is_entitled(attack, stage) and row.table in {"projects_file", "files", "projects_auditevent"}
    if attack.who == NOBODY:
        # Anyone may sign up. From then on the account belongs to that person.
        return is_new and attack.has_token and row.table in {"accounts_user", "account_emailaddress"}
    own = stage.people[attack.who].pk
    return attack.has_token and row.belongs_to(own) and not row.is_of(stage.project.pk)
