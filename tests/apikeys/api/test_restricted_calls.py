"""The API's own calls with restricted keys: /files asks for scopes, /me for none."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from tests.support.calls.api_helpers import assert_error
from tests.support.factories import FileFactory

pytestmark = pytest.mark.django_db

FILES, ME = "/api/v1/files", "/api/v1/me"


@pytest.fixture
def ask(client, api_key):
    def send(method, path, **options):
        bearer = {"Authorization": f"Bearer {api_key.secret}"}
        return getattr(client, method.lower())(path, headers=bearer, **options)

    return send


def upload(ask):
    return ask("POST", FILES, data={"file": SimpleUploadedFile("a.txt", b"a")})


ALL = {"list", "file", "content", "head", "upload", "delete", "me"}
LOOK = ALL - {"upload", "delete"}
MAY = {
    "full access": (Restrictions(), ALL),
    "read only": (Restrictions(read_only=True), LOOK),
    "files:read": (Restrictions(scopes=("files:read",)), LOOK),
    "files:write": (Restrictions(scopes=("files:write",)), {"upload", "delete", "me"}),
    "both": (Restrictions(scopes=("files:read", "files:write")), ALL),
    "here": (Restrictions(networks=("127.0.0.0/8",)), ALL),
    "elsewhere": (Restrictions(networks=("192.0.2.0/24",)), set()),
}


@pytest.mark.parametrize(("restrictions", "may"), MAY.values(), ids=MAY)
def test_each_call_asks_for_what_it_does(ask, api_key, project, restrictions, may):
    restrict_key(key=api_key, restrictions=restrictions, by=None)
    file = FileFactory(project=project)
    one = f"{FILES}/{file.public_id}"
    answers = {
        "list": ask("GET", FILES),
        "file": ask("GET", one),
        "content": ask("GET", f"{one}/content"),
        "head": ask("HEAD", FILES),
        "me": ask("GET", ME),
        "upload": upload(ask),
        "delete": ask("DELETE", one),
    }
    b"".join(answers["content"])  # which closes the file
    refused = {name for name, answer in answers.items() if answer.status_code == 403}
    assert refused == ALL - may
    assert {answers[name].status_code for name in may} <= {200, 201, 204}
    assert project.files.filter(pk=file.pk).exists() == ("delete" not in may)
    assert ask("OPTIONS", FILES).status_code == 204, "which methods there are is told without a key"


def test_a_refused_upload_says_which_scope_it_needs(ask, api_key, project):
    restrict_key(key=api_key, restrictions=Restrictions(scopes=("files:read",)), by=None)
    answer = upload(ask)
    assert "the scope files:write" in assert_error(answer, 403, "insufficient_scope")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="insufficient_scope", scope="files:write"'
    assert not project.files.exists()
    restrict_key(key=api_key, restrictions=Restrictions(read_only=True), by=None)
    assert_error(upload(ask), 403, "read_only")


def test_a_scope_that_the_operator_took_away_lets_nobody_do_what_it_stood_for(ask, api_key, settings):
    restrict_key(key=api_key, restrictions=Restrictions(scopes=("files:read",)), by=None)
    settings.SCOPES = {"orders:read": "Read orders"}
    assert_error(ask("GET", FILES), 403, "insufficient_scope")
    assert ask("GET", ME).status_code == 200
    restrict_key(key=api_key, restrictions=Restrictions(), by=None)
    assert ask("GET", FILES).status_code == 200


def test_answers_tell_what_is_left_of_the_limits(ask, api_key):
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(quota=Limit(2, Window.DAY))), by=None)
    left = []
    for call in (lambda: ask("GET", ME), lambda: upload(ask), lambda: ask("GET", FILES)):
        answer = call()
        assert answer["RateLimit-Policy"] == '"quota";q=2;w=86400'
        left.append((answer.status_code, answer["RateLimit"].split(";")[1]))
    assert left == [(200, "r=1"), (201, "r=0"), (429, "r=0")]
    assert_error(ask("GET", ME), 429, "quota_reached")
