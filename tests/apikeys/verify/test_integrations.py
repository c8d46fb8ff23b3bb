"""Other Django projects that check our keys: the example of docs/django.md in use, and cases outside the example."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.http import HttpResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys import pausing, services
from apikeys.secrets import secret_format
from apikeys.verify.integrations.decorators import api_key_required
from apikeys.verify.integrations.rest_framework import ApiKeyAuthentication
from tests.support.calls.api_helpers import assert_error
from tests.support.environment import REPOSITORY
from tests.support.gateways.proxies import Answer
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import database_url
from tests.support.stored.statements import assert_statements

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

EXAMPLE = "docs/examples/django_api/manage.py"
PATHS = ["/plain/", "/ninja/", "/rest/"]
CHALLENGE = 'Bearer realm="api"'


# The example


@pytest.fixture(scope="module")
def example_port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the example, which runs under `manage.py runserver` on the tests' database."""
    port, log = free_port(), tmp_path_factory.mktemp("example") / "log"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        "PYTHONPATH": str(REPOSITORY),
        "SECRET_KEY": "x" * 50,
        "KEY_PEPPERS": configured.KEY_PEPPERS,
        "DATABASE_URL": database_url(),
    }
    command = [sys.executable, "-W", "error", EXAMPLE, "runserver", "--noreload", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)
    try:
        _wait_for(process, port, log)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            _ask(port, "/plain/")
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def _ask(port: int, path: str, secret: str | None = None, method: str = "GET") -> Answer:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def assert_refused(answer: Any, path: str, status: int, code: str) -> None:
    """In the envelope. For the REST framework, in the shape that its users know, with the same code."""
    if not path.startswith("/rest"):
        assert_error(answer, status, code)
        return
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"detail", "code"}
    assert body["code"] == code
    assert body["detail"].endswith(".")
    if status == 401:
        expected = CHALLENGE if code == "key_missing" else f'{CHALLENGE}, error="invalid_token"'
        assert answer.headers["WWW-Authenticate"] == expected


@pytest.mark.parametrize("path", PATHS)
def test_a_good_key_is_let_in_and_says_whose_it_is(transactional_db, example_port, api_key, path):
    for method in ("GET", "POST"):
        answer = _ask(example_port, path, api_key.secret, method)
        assert answer.status_code == 200, answer.content
        assert answer.json() == {
            "project": api_key.project.public_id,
            "user": api_key.created_by.public_id,
            "key": api_key.public_id,
        }


@pytest.mark.parametrize("path", PATHS)
def test_every_other_request_is_refused_at_once(transactional_db, example_port, api_key, owner, path):
    def refused(code: str, secret: str | None) -> None:
        assert_refused(_ask(example_port, path, secret), path, 401, code)
        assert_refused(_ask(example_port, path, secret, "POST"), path, 401, code)

    refused("key_missing", None)
    refused("key_malformed", "x")
    refused("key_unknown", secret_format.generate("lk_"))
    pausing.pause_key(key=api_key, by=owner)
    refused("key_paused", api_key.secret)
    pausing.resume_key(key=api_key, by=owner)
    assert _ask(example_port, path, api_key.secret).status_code == 200
    services.delete_key(key=api_key, by=owner)
    refused("key_deleted", api_key.secret)


def test_the_example_asks_for_a_scope_and_a_cost(transactional_db, example_port, api_key, owner):
    limits = Limits(quota=Limit(9, Window.MONTH))
    for scope, answers in (("files:read", [403]), ("files:write", [200, 429])):
        restrict_key(key=api_key, restrictions=Restrictions(scopes=(scope,), limits=limits), by=owner)
        assert [_ask(example_port, "/costly/", api_key.secret, "POST").status_code for _ in answers] == answers
    assert_error(_ask(example_port, "/costly/", api_key.secret), 429, "quota_reached")


def test_calls_that_the_example_lets_in_are_seen_on_latchkeys_pages(transactional_db, example_port, api_key):
    assert _ask(example_port, "/plain/", api_key.secret).status_code == 200
    deadline = time.monotonic() + 60
    while api_key.last_used_at is None and time.monotonic() < deadline:
        time.sleep(0.05)
        api_key.refresh_from_db()
    assert api_key.last_used_address == "127.0.0.1"


# Outside the example


class Guarded(APIView):
    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Any) -> Response:
        return Response({"email": request.user.email, "pk": request.user.pk, "name": self.name(request)})

    def name(self, request: Any) -> str:
        return ""


class Loading(Guarded):
    def name(self, request: Any) -> str:
        return str(request.user.get_full_name())


def ask_rest(view: Any, rf: Any, secret: str | None) -> Any:
    response = view.as_view()(rf.get("/", headers={"Authorization": f"Bearer {secret}"} if secret else {}))
    return response.data, response


@pytest.mark.parametrize(("view", "statements"), [(Guarded, 1), (Loading, 2)])
def test_the_user_is_loaded_only_when_needed(rf, api_key, owner, view, statements):
    owner.first_name = "Ada"
    owner.save()
    with assert_statements(statements):
        data, _ = ask_rest(view, rf, api_key.secret)
    assert data == {"email": owner.email, "pk": owner.pk, "name": "Ada" if view is Loading else ""}


def test_the_rest_frameworks_user_is_the_creator(rf, api_key, owner):
    request = rf.get("/", headers={"Authorization": f"Bearer {api_key.secret}"})
    user, identity = ApiKeyAuthentication().authenticate(APIView().initialize_request(request))
    assert user == owner
    assert isinstance(user, type(owner))
    assert identity.key_id == api_key.public_id


def test_a_deactivated_creator_is_refused_with_403(rf, api_key, owner):
    owner.is_active = False
    owner.save()
    data, response = ask_rest(Guarded, rf, api_key.secret)
    assert (response.status_code, data["code"]) == (403, "forbidden")


def test_a_check_that_cannot_be_made_is_503_and_no_entry(rf, api_key, settings):
    settings.KEY_PEPPERS = ""
    data, response = ask_rest(Guarded, rf, api_key.secret)
    assert (response.status_code, data["code"], response.headers["Retry-After"]) == (503, "unavailable", "5")
    view = api_key_required(lambda request: HttpResponse("in"))
    answer = view(rf.get("/", headers={"Authorization": f"Bearer {api_key.secret}"}))
    assert_error(Answer(answer.status_code, answer.headers, answer.content), 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_a_decorated_view_takes_its_arguments(rf, api_key):
    view = api_key_required(lambda request, number: HttpResponse(f"{number} {request.identity.key_name}"))
    answer = view(rf.post("/", headers={"Authorization": f"Bearer {api_key.secret}"}), number=3)
    assert answer.content.decode() == f"3 {api_key.name}"


def test_a_malformed_key_is_told_its_fault(rf, api_key):
    told, _ = ask_rest(Guarded, rf, f'"{api_key.secret}"')
    assert "quotes" in told["detail"]
    request = rf.get("/", headers={"Authorization": f'Bearer "{api_key.secret}"'})
    assert b"quotes" in api_key_required(lambda request: None)(request).content
