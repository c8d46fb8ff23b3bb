"""T34: whoever holds a leaked secret can report it. Its key is paused at once; the answer reveals nothing."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.views.debug import ExceptionReporter

from apikeys import reports, secret_format, services
from apikeys.models import ApiKey, KeyEvent, PauseReason
from tests.api_client import API, assert_envelope, bearer, new_secret
from tests.api_helpers import assert_error
from tests.github import Signer
from tests.tables import everything

pytestmark = pytest.mark.django_db

REPORT = f"{API}/report"
GITHUB = f"{API}/report/github"
FOUND_AT = "https://github.com/acme/weather/blob/main/.env#L3"


def post(body: Any, path: str = REPORT, client: Client | None = None, **options: Any) -> Any:
    """`body` is sent as it is if it is bytes, else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (client or Client()).post(path, raw, content_type="application/json", **options)


def row(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


# Anyone


def test_the_next_call_with_a_reported_key_is_refused(server, api_key):
    """T34: not in a second, but at once."""
    headers = bearer(api_key.secret)
    assert server.request("GET", f"{API}/verify", headers=headers).status == 204
    body = json.dumps({"secret": api_key.secret, "source": FOUND_AT})
    answer = server.request("POST", REPORT, body, {"Content-Type": "application/json"})
    refusal = server.request("GET", f"{API}/verify", headers=headers)
    assert (answer.status, refusal.status) == (202, 401)
    assert json.loads(refusal.body)["error"]["code"] == "key_paused"
    assert api_key.secret[3:] not in server.log_text()


def test_a_report_pauses_the_key_says_why_and_leaves_one_event(api_key):
    for _ in range(2):
        assert post({"secret": api_key.secret}, REMOTE_ADDR="203.0.113.9").status_code == 202
    key = row(api_key)
    assert (key.is_paused, key.pause_reason) == (True, PauseReason.REPORTED)
    event = api_key.events.get(kind=KeyEvent.Kind.REPORTED)
    assert (event.by, event.address) == (None, "203.0.113.9")


@pytest.mark.parametrize("around", ["\n{}\n", "  {}", "{}\t", "\ufeff\n{}"[1:]])
def test_white_space_around_the_secret_is_no_part_of_it(api_key, around):
    post({"secret": around.format(api_key.secret)})
    assert row(api_key).is_reported


def seen(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    own = answer.headers["X-Request-Id"]
    headers = {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "Expires"}}
    return answer.status_code, answer.content.replace(own.encode(), b""), headers


def test_the_answer_is_the_same_whatever_was_reported(project, owner):
    """T34"""
    active, paused, deleted, reported, shown_once = (new_secret(project, name) for name in "abcde")
    services.pause_key(key=project.api_keys.get(name="b"), by=owner)
    services.delete_key(key=project.api_keys.get(name="c"), by=owner)
    services.report_leak(secret=reported)
    services.show_secrets_once(project=project, by=owner)
    never = secret_format.generate("lk_")
    malformed = [never[:-1], never[:-1] + "!", "ghp_" + never[3:], "", " ", "\0", "\ud800", "x" * 100_000]
    answers = [seen(post({"secret": secret})) for secret in (active, paused, deleted, reported, shown_once, never)]
    answers += [seen(post({"secret": secret})) for secret in malformed]
    answers += [seen(post({"secret": active, "source": source})) for source in (FOUND_AT, "javascript:alert(1)")]
    assert answers == [answers[0]] * len(answers)
    assert answers[0][0] == 202
    states = {key.name: (str(key.state), key.pause_reason) for key in project.api_keys.all()}
    leaked = ("paused", "reported")
    assert states == {"a": leaked, "b": leaked, "c": ("deleted", ""), "d": leaked, "e": leaked}


def test_the_answer_thanks_and_says_what_happens():
    answer = post({"secret": "lk_x"})
    body = assert_envelope(answer, "object")
    assert "Thank you" in body["data"]["message"]
    assert (body["meta"]["project_id"], body["links"]) == (None, {"self": REPORT})
    assert "no-store" in answer["Cache-Control"]


def test_a_report_costs_one_query_and_a_malformed_one_none(django_assert_num_queries):
    with django_assert_num_queries(3):  # the one, in a transaction: here the test's own makes savepoints of it
        post({"secret": secret_format.generate("lk_")})
    with django_assert_num_queries(0):
        post({"secret": "lk_malformed"})


def test_no_session_and_no_token_are_asked_for(api_key, owner, signed_in):
    assert post({"secret": api_key.secret}, client=signed_in(owner, enforce_csrf_checks=True)).status_code == 202
    assert row(api_key).is_reported
    assert api_key.events.get(kind="reported").by is None


# What is no report. `lk_canary…` must not come back in any answer.

CANARY = secret_format.generate("lk_")
NO_REPORTS = {
    "nothing": (b"", 422),
    "no JSON": (f"secret={CANARY}".encode(), 400),
    "JSON cut short": (f'{{"secret": "{CANARY}'.encode(), 400),
    "broken UTF-8": (f'{{"secret": "{CANARY}'.encode() + b'\xff"}', 400),
    "nested without end": (b"[" * 100_000, 400),
    "a number without end": (b'{"secret": ' + b"1" * 100_000 + b"}", 400),
    "a string": (json.dumps(CANARY).encode(), 422),
    "a list": (json.dumps([CANARY]).encode(), 422),
    "null": (b"null", 422),
    "no secret": (json.dumps({"token": CANARY, CANARY: 1}).encode(), 422),
    "a list of secrets": (json.dumps({"secret": [CANARY]}).encode(), 422),
    "an object as secret": (json.dumps({"secret": {CANARY: CANARY}}).encode(), 422),
    "a number as secret": (b'{"secret": 17}', 422),
    "a source of another type": (json.dumps({"secret": CANARY, "source": [CANARY]}).encode(), 422),
    "a source that is too long": (json.dumps({"secret": CANARY, "source": f"https://{CANARY}/" * 20}).encode(), 422),
    "more than the server takes": (json.dumps({"secret": CANARY * 10_000}).encode(), 413),
}
CODES = {400: "bad_request", 413: "request_too_large", 422: "invalid"}


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(("body", "status"), NO_REPORTS.values(), ids=NO_REPORTS)
def test_what_is_no_report_is_refused_and_not_repeated(body, status, debug, settings, caplog):
    """T29, in part"""
    settings.DEBUG = debug
    before = everything()
    answer = post(body)
    assert_error(answer, status, CODES[status])
    assert CANARY[3:] not in answer.content.decode() + str(answer.headers) + caplog.text
    assert everything() == before


def test_the_secret_is_in_no_answer_and_in_no_table(api_key, django_capture_on_commit_callbacks):
    """T34, T29 in part"""
    with django_capture_on_commit_callbacks(execute=True):
        answer = post({"secret": api_key.secret, "source": f"https://x.example/?k={api_key.secret}"})
    answer_with_query = post({"secret": api_key.secret}, QUERY_STRING=f"secret={api_key.secret}")
    assert api_key.secret[3:] not in answer.content.decode() + answer_with_query.content.decode() + str(everything())


def test_a_failure_amid_a_report_shows_no_secret(api_key, settings, rf):
    """T29, in part: the report that Django mails to admins holds the variables of every function."""
    settings.KEY_PEPPERS = "no ring"
    with pytest.raises(ImproperlyConfigured) as failure:
        post({"secret": api_key.secret})
    traceback = failure.tb
    while "handlers" not in traceback.tb_frame.f_code.co_filename:  # the test's own functions hold it, of course
        traceback = traceback.tb_next
    reporter = ExceptionReporter(rf.post(REPORT), failure.type, failure.value, traceback, is_email=True)
    for text in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "report_leak" in text
        assert api_key.secret[3:] not in text
    assert_error(post({"secret": api_key.secret}, client=Client(raise_request_exception=False)), 500, "internal_error")


# Where it was found

SOURCES = {
    FOUND_AT: FOUND_AT,
    " https://gist.github.com/a/b \n": "https://gist.github.com/a/b",
    "http://[2001:db8::1]:8080/x?y=z": "http://[2001:db8::1]:8080/x?y=z",
    "": "",
    "notes.txt": "",
    "javascript:alert(1)": "",
    "ftp://example.com/a": "",
    "https://": "",
    "https://@/": "",
    "https://github.com@evil.example/": "",
    "https://user:password@example.com/": "",
    "https://example.com/a b": "",
    "https://example.com/\nBcc: everyone@example.com": "",
    "https://example.com/\u202egnp.exe": "",
    "https://ехample.com/": "",  # Cyrillic
    'https://example.com/"><script>': "",
    "https://example.com\\@evil.example": "",
    "https://[::1": "",
    "https://example.com:port/": "",
    f"https://example.com/?key={CANARY}": "",
    f"https://example.com/?key={CANARY.replace('_', '%5f')}": "",
    "https://example.com/" + "x" * 481: "",
}


@pytest.mark.parametrize(("given", "kept"), SOURCES.items(), ids=range(len(SOURCES)))
def test_only_a_plain_web_address_is_carried_on_as_the_source(given, kept):
    assert reports.clean_source(given) == kept


# GitHub


def matches(*secrets: str, **more: Any) -> bytes:
    found = [{"token": secret, "type": "latchkey", "url": FOUND_AT, "source": "content", **more} for secret in secrets]
    return json.dumps(found).encode()


@pytest.fixture
def github(settings) -> Signer:
    signer = Signer()
    settings.GITHUB_PUBLIC_KEYS = signer.document()
    return signer


def test_the_example_of_githubs_documentation_is_recognised():
    """docs.github.com, "Secret scanning partner program": its signature, by GitHub's own key of that name."""
    identifier = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
    pem = (
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n"
        "AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n"
    )
    document = json.dumps({"public_keys": [{"key_identifier": identifier, "key": pem, "is_current": True}]})
    body = b'[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]'
    signature = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
    signed = {"identifier": identifier, "signature": signature, "keys": reports.parse_github_keys(document)}
    assert reports.is_signed_by_github(body, **signed)
    assert not reports.is_signed_by_github(body + b"\n", **signed)


def test_githubs_signed_list_pauses_every_key_in_it(github, project):
    """T34"""
    secrets = [new_secret(project, name) for name in "abc"]
    body = matches(*secrets[:2], secret_format.generate("lk_"), "some_token")
    answer = post(body, GITHUB, headers=github.headers(body))
    assert answer.status_code == 202
    assert {key.name for key in project.api_keys.all() if key.is_reported} == {"a", "b"}
    unknown = matches(secret_format.generate("lk_"))
    assert seen(answer) == seen(post(unknown, GITHUB, headers=github.headers(unknown)))


@pytest.mark.parametrize("more", [{"url": ""}, {"url": None}, {"url": "x" * 3_000}, {"source": 1, "type": None}])
def test_a_match_counts_whatever_else_stands_in_it(github, api_key, more):
    body = matches(api_key.secret, **more)
    assert post(body, GITHUB, headers=github.headers(body)).status_code == 202
    assert row(api_key).is_reported


def forged(github: Signer, body: bytes) -> dict[str, dict[str, str]]:
    good = github.headers(body)
    identifier, signature = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
    return {
        "no headers": {},
        "no identifier": {signature: good[signature]},
        "no signature": {identifier: good[identifier]},
        "an unknown key": good | {identifier: "1" * 64},
        "another known key": good | {identifier: "0" * 64},
        "another's signature": good | {signature: Signer().headers(body)[signature]},
        "a signature of another body": good | {signature: github.headers(body + b" ")[signature]},
        "no base64": good | {signature: "!" * 96},
        "not ASCII": good | {signature: "é" * 96},
        "an empty signature": good | {signature: ""},
    }


def test_what_github_has_not_signed_does_nothing(github, api_key):
    body = matches(api_key.secret)
    before = everything()
    for how, headers in forged(github, body).items():
        answer = post(body, GITHUB, headers=headers)
        assert_error(answer, 403, "signature_refused")
        assert api_key.secret[3:] not in answer.content.decode(), how
    assert everything() == before


def test_without_githubs_keys_its_reports_are_not_taken(api_key):
    body = matches(api_key.secret)
    assert "GitHub" in assert_error(post(body, GITHUB, headers=Signer().headers(body)), 404, "not_found")
    assert not row(api_key).is_reported


NO_LISTS = {
    "an object": (json.dumps({"token": CANARY}).encode(), 422),
    "no JSON": (CANARY.encode(), 400),
    "a list of strings": (json.dumps([CANARY]).encode(), 422),
    "no token": (json.dumps([{"secret": CANARY}]).encode(), 422),
    "too many": (json.dumps([{"token": ""}] * 1_001).encode(), 422),
    "more than the server takes": (matches(*[CANARY] * 2_000), 413),
}


@pytest.mark.parametrize(("body", "status"), NO_LISTS.values(), ids=NO_LISTS)
def test_a_signed_body_that_is_no_list_of_secrets_is_refused_and_not_repeated(github, body, status):
    answer = post(body, GITHUB, headers=github.headers(body))
    assert_error(answer, status, CODES[status])
    assert CANARY[3:] not in answer.content.decode()


def test_one_bad_match_leaves_the_others_unreported(github, api_key):
    body = json.dumps([{"token": api_key.secret}, {"token": 1}]).encode()
    assert_error(post(body, GITHUB, headers=github.headers(body)), 422, "invalid")
    assert not row(api_key).is_reported


RSA = (
    "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n"
    "9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n"
)
P384 = Signer.pem_of(ec.generate_private_key(ec.SECP384R1()))
NO_DOCUMENTS = [
    *("hunter2", "{}", "[]", '{"public_keys": []}', '{"public_keys": ["x"]}', '{"public_keys": [{"key": "x"}]}'),
    json.dumps({"public_keys": [{"key_identifier": "a", "key": "-----BEGIN PUBLIC KEY-----"}]}),
    json.dumps({"public_keys": [{"key_identifier": "a", "key": RSA}]}),
    json.dumps(
        {"public_keys": [{"key_identifier": "a", "key": Signer.pem_of(ec.generate_private_key(ec.SECP384R1()))}]}
    ),
]


@pytest.mark.parametrize("document", NO_DOCUMENTS, ids=range(len(NO_DOCUMENTS)))
def test_a_document_that_is_not_githubs_is_refused(document):
    with pytest.raises(ImproperlyConfigured):
        reports.parse_github_keys(document)
