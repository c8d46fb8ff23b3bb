"""T4: no secret at rest. Keys are created in every way and used; then everything stored is searched."""

import json
import re
from base64 import b64encode
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.urls import reverse

from accounts.sessions.store import data_of
from apikeys.keys import pausing, secret_storage, services
from apikeys.models import ApiKey
from tests.support.environment import DATA_DIR, ON_SQLITE, postgres
from tests.support.factories import FileFactory
from tests.support.people.sessions import age
from tests.support.programs.servers import session_headers
from tests.support.stored.leaks import found

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secrets(server, signed_in, project, owner) -> list[str]:
    """Keys made by services, command and page, which are copied, revealed, shown once, used, paused and deleted."""
    by_service = services.create_key(project=project, name="By service", by=owner).secret
    output = StringIO()
    call_command("createkey", project.public_id, "--name", "By command", "--json", stdout=output)
    client = signed_in(owner)
    form = {"name": "By page", "form_token": "t" * 22}
    assert client.post(reverse("apikeys:create", args=[project.public_id]), form).status_code == 302
    by_page = ApiKey.objects.get(name="By page")
    known = [by_service, json.loads(output.getvalue())["secret"]]
    for action in ("copy", "reveal"):
        url = reverse(f"apikeys:{action}", args=[project.public_id, by_page.public_id])
        known.append(client.post(url, headers={"Accept": "application/json"}).json()["secret"])
    secret_storage.show_secrets_once(project=project, by=owner)
    for name, headers in (("Shown once", {}), ("Shown once to a script", {"HX-Request": "true"})):
        answer = client.post(reverse("apikeys:create", args=[project.public_id]), {"name": name}, headers=headers)
        known.append(re.findall("lk_[0-9A-Za-z]{36}", answer.content.decode())[0])
    for secret in known:
        for value in (f"Bearer {secret}", f"Basic {secret}", f"{secret}, {secret}"):
            server.request("GET", "/api/v1/me", headers={"Authorization": value})
        server.request("GET", "/no-such-page", headers={"X-Api-Key": secret})
    for secret, change in zip(known, (pausing.pause_key, services.delete_key), strict=False):
        key = ApiKey.objects.get(mask__endswith=secret[-4:], mask__startswith=secret[:7])
        change(key=key, by=owner)
        server.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    return known


def test_no_secret_is_at_rest(secrets):
    """T4"""
    assert len(set(secrets)) == 5
    assert found(secrets) == []


PLANTED = {
    "as it is": lambda key: FileFactory(name=key.secret),
    "in hex": lambda key: FileFactory(name=key.secret.encode().hex()),
    "in base64": lambda key: FileFactory(name=b64encode(key.secret.encode()).decode()),
    "in bytes": lambda key: ApiKey.objects.filter(pk=key.pk).update(ciphertext=key.secret.encode()),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_the_search_finds_what_is_there(transactional_db, api_key, plant):
    """T4: proves that the search works, in rows and in the files that hold them."""
    plant(api_key)
    places = found([api_key.secret])
    assert any(place.startswith(("database", "table")) for place in places)
    assert any(place.startswith(str(DATA_DIR if ON_SQLITE else postgres.folder)) for place in places)


def test_the_servers_environment_is_not_at_rest(start_server, signed_in, owner, api_key):
    """T4: a form that waits in the session for a confirmation must not take the server's environment with it."""
    secrets = {name: getattr(settings, name) for name in ("KEY_RING", "KEY_PEPPERS", "SECRET_KEY")}
    server = start_server(REQUEST_METHOD="POST", **secrets)
    client = signed_in(owner)
    age(client)
    headers = session_headers(client) | {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}
    path = reverse("apikeys:copy", args=[api_key.project.public_id, api_key.public_id])
    assert server.request("POST", path, "", headers).headers["Location"].startswith("/accounts/reauthenticate/")
    waiting = json.dumps(data_of(Session.objects.get()))
    assert path in waiting
    assert [name for name, secret in secrets.items() if name in waiting or secret in waiting] == []
