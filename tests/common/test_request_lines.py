"""What each line about a request has: its status, how long it took, and the ids of the gateway before us."""

import ast
import json
import re
from collections.abc import Iterator

import pytest

from apikeys.leases import held_answers
from apikeys.secrets.secret_format import generate
from apikeys.verify import gateway, verification
from common import refusal_lines
from common.gateway_ids import LONGEST, gateway_ids
from tests.support.calls.api_client import bearer, secret_of
from tests.support.environment import REPOSITORY
from tests.test_architecture import LAYERS, modules, tree_of

pytestmark = pytest.mark.nodb

HEX = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{HEX}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def fresh() -> None:
    refusal_lines.forget()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (HEX, HEX),
        ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        ("Root=1-67891233-abcdef012345678912345678", "Root=1-67891233-abcdef012345678912345678"),
        ("a\" event='forged'\n\x1b[31m\u202e", "aevent=forged31m"),
        ("ü\udcff ", None),
        ("", None),
        ("x-" * 5000, ("x-" * 5000)[:LONGEST]),
    ],
)
def test_a_gateways_id_is_cleaned_and_bounded(given, found):
    assert gateway_ids({"HTTP_X_REQUEST_ID": given}).get("gateway_request_id") == found


@pytest.mark.parametrize(
    "given", ["", TRACE.upper(), TRACE + "-x", TRACE[:-1], "01", f"{TRACE}\n", TRACE.replace("-", "_")]
)
def test_a_traceparent_that_is_none_is_left_out(given):
    assert gateway_ids({"HTTP_TRACEPARENT": given}) == {}


def check(secret: str, **headers: str) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/v1/verify", "wsgi.url_scheme": "http"}
    environ |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": f"Bearer {secret}", **headers}
    answered = []
    list(gateway.application(environ, lambda status, sent: answered.extend(sent)))
    assert HEX not in str(answered), "no answer repeats what a client may have written"


def test_a_rejected_check_says_code_key_address_status_and_ids(api_key, lines):
    secret = secret_of(api_key)
    api_key.__class__.objects.filter(pk=api_key.pk).update(state="paused", paused_at=api_key.created_at)
    check(secret, HTTP_X_REQUEST_ID=HEX, HTTP_TRACEPARENT=TRACE)
    [line] = [line for line in lines.getvalue().splitlines() if "verify_refused" in line]
    for fact in (
        "code='key_paused'",
        f"key='{api_key.public_id}'",
        "address='192.0.2.7'",
        "status=401",
        f"gateway_request_id='{HEX}'",
        f"traceparent='{TRACE}'",
    ):
        assert fact in line
    assert re.search(r" duration_ms=\d+\.\d\b", line)
    assert re.search(r" request_id='req_\w{16}'", line)


def test_a_secret_in_a_gateways_id_is_masked(db, lines):
    secret = generate("lk_")
    check("x", HTTP_X_REQUEST_ID=secret)
    assert "gateway_request_id='lk_" in lines.getvalue()
    assert secret[8:-5] not in lines.getvalue()


def test_a_request_says_status_duration_and_the_gateways_ids(client, db, lines):
    sent = {"X-Request-Id": HEX, "traceparent": TRACE}
    answer = client.get("/accounts/login/", headers=sent)
    [line] = [line for line in lines.getvalue().splitlines() if "request_finished" in line]
    assert answer["X-Request-Id"] in line
    assert answer["X-Request-Id"].startswith("req_")
    for fact in ("status=200", f"gateway_request_id='{HEX}'", f"traceparent='{TRACE}'"):
        assert fact in line
    assert re.search(r" duration_ms=\d+\.\d\b", line)
    assert " code=" not in line, "the status has one name"


def test_a_request_that_fails_says_status_and_duration(client, db, lines, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("accounts.sign_in.forms.LoginForm.__init__", None)
    assert client.get("/accounts/login/").status_code == 500
    [line] = [line for line in lines.getvalue().splitlines() if "request_failed" in line]
    assert "status=500" in line
    assert "duration_ms=" in line
    assert " code=" not in line


def test_a_rejected_call_of_the_api_names_its_key(client, api_key, lines):
    secret = secret_of(api_key)
    api_key.__class__.objects.filter(pk=api_key.pk).update(state="paused", paused_at=api_key.created_at)
    assert client.get("/api/v1/me", headers=bearer(secret)).status_code == 401
    [line] = [line for line in lines.getvalue().splitlines() if "api_call_refused" in line]
    assert f"code='key_paused' status=401 key='{api_key.public_id}'" in line


# 503


def test_a_503_of_a_check_that_cannot_decide_says_why(client, api_key, settings, lines):
    secret = secret_of(api_key)
    settings.KEY_PEPPERS = ""
    assert client.get("/api/v1/me", headers=bearer(secret)).status_code == 503
    check(secret)
    written = [line for line in lines.getvalue().splitlines() if "status=503" in line]
    assert len(written) == 2
    assert all("error='KEY_PEPPERS is empty.'" in line for line in written)


def test_a_503_of_reports_says_why(client, api_key, monkeypatch, lines):
    def full(*_: object) -> None:
        raise held_answers.TooManyHeld

    monkeypatch.setattr(held_answers, "hold_report", full)
    body = json.dumps({"secret": secret_of(api_key)})
    assert client.post("/api/v1/report", body, content_type="application/json").status_code == 503
    assert "error='Reports: As many answers" in lines.getvalue()


def test_a_check_that_fails_is_a_500_without_the_secret(api_key, monkeypatch, lines):
    """T30"""

    def fail(authorization: str, *_: object) -> None:
        raise RuntimeError(f"It cannot be: {authorization}")

    monkeypatch.setattr(verification, "verify", fail)
    check(secret_of(api_key))
    assert "It cannot be" in lines.getvalue()
    assert "status=500" in lines.getvalue()
    assert secret_of(api_key) not in lines.getvalue()


def test_a_503_of_readiness_says_why(client, db, monkeypatch, lines):
    monkeypatch.setattr("config.monitoring.readiness.problem", lambda: "The moon is in the way.")
    assert client.get("/health/ready").status_code == 503
    [line] = [line for line in lines.getvalue().splitlines() if "request_finished" in line]
    assert "error='The moon is in the way.'" in line


# Functions that make a 503 whose cause is known elsewhere.
CAUSES_ELSEWHERE = {
    ("accounts/single_sign_on/problems.py", "__init__"): "the page of the problem explains it",
    ("config/check.py", "_health"): "health.ready has logged it",
    ("config/monitoring/health.py", "ready"): "it logs it; answer explains it",
    ("apikeys/verify/verification.py", "_undecided"): "it logs it",
    ("apikeys/verify/gateway.py", "busy"): "it logs it",
    ("apikeys/dry_run/trial.py", None): "a trial is answered 200",
    ("apikeys/pages/project.py", None): "a table of the page",
    ("config/logs.py", "one_line_an_outage"): "it writes the cause",
    ("config/middleware/request_lines.py", "log_status_and_duration"): "it finds a 503 without cause",
    ("config/api.py", "storage_unavailable"): "projects/files/storage.py explains it where it raises",
    ("common/answers/envelope.py", "error_headers"): "headers alone",
}


def functions_that_make_a_503() -> Iterator[tuple[str, str, str]]:
    """File, function and source of each function with a 503 or a use of the refusal `unavailable`."""
    for layer in LAYERS:
        for path in modules(layer):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.FunctionDef):
                    source = ast.unparse(ast.Module(node.body, []))
                    code = re.sub(r"(?s)^(['\"]{1,3}).*?\1\n", "", source)
                    if re.search(r"\b503\b|\bUNAVAILABLE\b|SERVICE_UNAVAILABLE", code):
                        yield str(path.relative_to(REPOSITORY)), node.name, code


def test_every_function_that_answers_503_says_why():
    """The kind: a 503 without its cause in the log."""
    found = {*functions_that_make_a_503()}
    assert len(found) > 10
    silent = {
        (file, name)
        for file, name, code in found
        if "outages.explain" not in code and {(file, name), (file, None)}.isdisjoint(CAUSES_ELSEWHERE)
    }
    assert not silent
