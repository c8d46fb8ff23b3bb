"""The API reference has contents, a true example of each call, and each error once."""

import json
import re
import shlex
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apikeys.lifetimes.ends import change_end
from apikeys.refusals import ALL
from config.api_reference import ERROR, EXAMPLES, request_of, response_of
from tests.support.calls.api_client import API, bearer, downloaded, secret_of
from tests.support.calls.openapi import document_of, operations
from tests.support.places.pages import page, text

pytestmark = pytest.mark.django_db
PAGE = f"{API}/docs"


def shape(thing):
    """The names and types in a JSON value."""
    if isinstance(thing, dict):
        return {name: shape(value) for name, value in thing.items()}
    return [shape(thing[0])] if isinstance(thing, list) else type(thing).__name__


@pytest.fixture
def answers(client, api_key):
    """The real answer to each example call. The key ends soon, as the key of the examples does."""
    change_end(key=api_key, expires_at=timezone.now() + timedelta(days=3), by=None)
    key = bearer(secret_of(api_key))
    made = client.post(f"{API}/files", {"file": SimpleUploadedFile("readings.csv", b"time,value\n1,2\n")}, headers=key)
    file = f"{API}/files/{made.json()['data']['id']}"
    body = {"secret": "lk_" + "0" * 36}
    with downloaded(client.get(f"{file}/content", headers=key)) as bytes_of_the_file:
        assert bytes_of_the_file.status_code == 200
    return {
        "getMe": client.get(f"{API}/me", headers=key),
        "listFiles": client.get(f"{API}/files?page=1&limit=20", headers=key),
        "uploadFile": made,
        "getFile": client.get(file, headers=key),
        "downloadFile": bytes_of_the_file,
        "verify": client.get(f"{API}/verify", headers=key),
        "reportLeak": client.post(f"{API}/report", body, content_type="application/json"),
        "deleteFile": client.delete(file, headers=key),
    }


def test_every_call_has_an_example_whose_response_is_what_the_server_answers(client, answers):
    documented = {operation["operationId"] for *_, operation in operations(document_of(client))}
    assert documented == set(EXAMPLES) == {*answers, "reportLeaksFromGithub"}
    for call, answer in answers.items():
        example = EXAMPLES[call]
        assert example.status.startswith(f"{answer.status_code} "), call
        if not example.plain:
            assert shape(json.loads(response_of(example))) == shape(answer.json()), call
    headers = dict(line.split(": ") for line in EXAMPLES["verify"].plain.splitlines())
    assert {name for name in answers["verify"].headers if name.startswith("X-Latchkey")} == set(headers)


def test_the_error_of_the_reference_has_the_shape_of_every_error(client):
    assert shape(ERROR) == shape(client.get(f"{API}/files").json())


@pytest.mark.parametrize("call", EXAMPLES)
def test_the_request_is_a_command_that_a_shell_reads(call):
    example = EXAMPLES[call]
    words = shlex.split(request_of(example, "https://keys.example.com/api/v1"))
    assert words[:2] == ["curl", f"https://keys.example.com/api/v1{example.path}"]
    assert ("Authorization: Bearer $LATCHKEY_API_KEY" in words) is example.has_key
    if "--json" in words:
        json.loads(words[words.index("--json") + 1])


def test_the_page_has_contents_examples_to_copy_and_each_error_once(client):
    html = client.get(PAGE).content.decode()
    for call in EXAMPLES:
        assert f'href="#{call}"' in html
        assert f'data-copy-text="request-{call}"' in html
    assert 'href="#errors"' in html
    assert "http://testserver/api/v1/files" in html
    for refusal in ALL:
        assert html.count(f"<code>{refusal.code}</code></td>") == 1


def test_the_reference_has_the_projects_sidebar_and_works_signed_out(client, signed_in, owner, project):
    assert "Sign in" in text(client.get(PAGE))
    inside = " ".join(signed_in(owner).get(PAGE, {"project": project.public_id}).content.decode().split())
    assert re.search(rf'href="{page("apikeys:settings", project)}"', inside)
    assert re.search(r'aria-current="page"\s*><svg.*?</svg>\s*API reference</a>', inside)
