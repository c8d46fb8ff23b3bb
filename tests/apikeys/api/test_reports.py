"""T34: a holder of a leaked secret can report it. Its key is paused at once, and the answer reveals nothing."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.views.debug import ExceptionReporter

from apikeys.api import leak_reports
from apikeys.keys import pausing, secret_storage, services
from apikeys.secrets import secret_format
from apikeys.standing import PauseReason
from tests.support.calls.api_client import API, assert_envelope, bearer, new_secret
from tests.support.calls.api_helpers import assert_error
from tests.support.calls.reporting import CANARY, CODES, FOUND_AT, REPORT, post, row, seen
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db


# Anyone


def test_the_next_call_with_a_reported_key_is_refused(server, api_key):
    """T34: the refusal is immediate, without a second's delay."""
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
    event = api_key.events.get(kind="reported")
    assert (event.by, event.address) == (None, "203.0.113.9")


@pytest.mark.parametrize("around", ["\n{}\n", "  {}", "{}\t", "\ufeff\n{}"[1:]])
def test_white_space_around_the_secret_is_no_part_of_it(api_key, around):
    post({"secret": around.format(api_key.secret)})
    assert row(api_key).is_reported


def test_the_answer_is_the_same_whatever_was_reported(project, owner):
    """T34"""
    active, paused, deleted, reported, shown_once = (new_secret(project, name) for name in "abcde")
    pausing.pause_key(key=project.api_keys.get(name="b"), by=owner)
    services.delete_key(key=project.api_keys.get(name="c"), by=owner)
    services.report_leak(secret=reported)
    secret_storage.show_secrets_once(project=project, by=owner)
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


def test_a_report_costs_one_query_more_than_a_malformed_one(django_assert_num_queries):
    # Each asks whether answers have to be held back.
    with django_assert_num_queries(4):  # the test's own transaction adds savepoints
        post({"secret": secret_format.generate("lk_")})
    with django_assert_num_queries(1):
        post({"secret": "lk_malformed"})


def test_no_session_and_no_token_are_asked_for(api_key, owner, signed_in):
    assert post({"secret": api_key.secret}, client=signed_in(owner, enforce_csrf_checks=True)).status_code == 202
    assert row(api_key).is_reported
    assert api_key.events.get(kind="reported").by is None


# Bodies that are not a report. `lk_canary…` must not come back in any answer.

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


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(("body", "status"), NO_REPORTS.values(), ids=NO_REPORTS)
def test_an_invalid_report_is_refused_and_not_repeated(body, status, debug, settings, caplog):
    """T29: one part of the promise."""
    settings.DEBUG = debug
    before = everything()
    answer = post(body)
    assert_error(answer, status, CODES[status])
    assert CANARY[3:] not in answer.content.decode() + str(answer.headers) + caplog.text
    assert everything() == before


def test_the_secret_is_in_no_answer_and_in_no_table(api_key, django_capture_on_commit_callbacks):
    """T34, and a part of T29."""
    with django_capture_on_commit_callbacks(execute=True):
        answer = post({"secret": api_key.secret, "source": f"https://x.example/?k={api_key.secret}"})
    answer_with_query = post({"secret": api_key.secret}, QUERY_STRING=f"secret={api_key.secret}")
    assert api_key.secret[3:] not in answer.content.decode() + answer_with_query.content.decode() + str(everything())


def test_a_failure_amid_a_report_shows_no_secret(api_key, settings, rf):
    """T29: one part of the promise. Django's error email to admins contains the variables of every function."""
    settings.KEY_PEPPERS = "no ring"
    with pytest.raises(ImproperlyConfigured) as failure:
        post({"secret": api_key.secret})
    traceback = failure.tb
    while "handlers" not in traceback.tb_frame.f_code.co_filename:  # the test's functions have the secret
        traceback = traceback.tb_next
    reporter = ExceptionReporter(rf.post(REPORT), failure.type, failure.value, traceback, is_email=True)
    for text in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "report_leak" in text
        assert api_key.secret[3:] not in text
    assert_error(post({"secret": api_key.secret}, client=Client(raise_request_exception=False)), 500, "internal_error")


# The place where the secret was found

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
    assert leak_reports.clean_source(given) == kept
