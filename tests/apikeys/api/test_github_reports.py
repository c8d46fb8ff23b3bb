"""T34: GitHub's reports are signed lists of leaked secrets. Nothing else counts as one."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured

from apikeys.api import leak_reports
from apikeys.secrets import secret_format
from tests.support.calls.api_client import API, new_secret
from tests.support.calls.api_helpers import assert_error
from tests.support.calls.github import Signer
from tests.support.calls.reporting import CANARY, CODES, FOUND_AT, post, row, seen
from tests.support.stored.tables import everything

pytestmark = pytest.mark.django_db

GITHUB = f"{API}/report/github"


def matches(*secrets: str, **more: Any) -> bytes:
    found = [{"token": secret, "type": "latchkey", "url": FOUND_AT, "source": "content", **more} for secret in secrets]
    return json.dumps(found).encode()


@pytest.fixture
def github(settings) -> Signer:
    signer = Signer()
    settings.GITHUB_PUBLIC_KEYS = signer.document()
    return signer


def test_the_example_of_githubs_documentation_is_recognised():
    """docs.github.com, "Secret scanning partner program": the example's signature, made with GitHub's own key of that
    name.
    """
    identifier = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
    pem = (
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n"
        "AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n"
    )
    document = json.dumps({"public_keys": [{"key_identifier": identifier, "key": pem, "is_current": True}]})
    body = b'[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]'
    signature = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
    signed = {"identifier": identifier, "signature": signature, "keys": leak_reports.parse_github_keys(document)}
    assert leak_reports.is_signed_by_github(body, **signed)
    assert not leak_reports.is_signed_by_github(body + b"\n", **signed)


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


def test_a_list_without_githubs_signature_does_nothing(github, api_key):
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
    json.dumps({"public_keys": [{"key_identifier": "a", "key": P384}]}),
]


@pytest.mark.parametrize("document", NO_DOCUMENTS, ids=range(len(NO_DOCUMENTS)))
def test_a_document_that_is_not_githubs_is_refused(document):
    with pytest.raises(ImproperlyConfigured):
        leak_reports.parse_github_keys(document)
