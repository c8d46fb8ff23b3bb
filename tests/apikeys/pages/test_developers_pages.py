"""A developer works with keys. Where a page lacks a control for them, it says who has it."""

import re

import pytest
from django.urls import reverse

from apikeys.models import ApiKey
from projects.models import Project
from projects.permissions import Permission, Role, reason, rights_of_roles
from tests.support.places.pages import FETCH, action, page, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(developer, signed_in):
    return signed_in(developer)


def test_a_developer_works_with_keys_and_their_secrets(client, developer, project, api_key):
    assert client.post(page("apikeys:create", project), {"name": "Staging"}).status_code == 302
    new = ApiKey.objects.get(name="Staging")
    assert new.created_by == developer
    assert client.post(action("copy", api_key), headers=FETCH).json() == {"secret": api_key.secret}
    for name in ("pause", "resume"):
        client.post(action(name, api_key))
    client.post(action("edit", api_key), {"name": "Renamed"})
    client.post(action("roll", api_key), {"overlap": "24h"})
    client.post(action("delete", new))
    kinds = set(project.audit_events.filter(by=developer).values_list("kind", flat=True))
    assert {"created", "copied", "paused", "resumed", "renamed", "rolled", "deleted"} <= kinds


def test_the_settings_of_a_developer_have_the_keys_and_say_who_may_change_the_rest(client, project, api_key):
    answer = client.get(page("apikeys:settings", project))
    content, said = answer.content.decode(), text(answer)
    for offered in ('id="open-create-key"', 'id="save-mails"', "data-copy-secret", "data-reveal", "/roll/", "/delete/"):
        assert offered in content, offered
    for missing in ('id="rename-project"', 'id="open-delete-project"', 'id="open-stop-storing"'):
        assert missing not in content, missing
    assert reason(Permission.MANAGE_PROJECT) in said
    assert "Only owners of the project can change this." in said
    assert "Owners and developers can copy a key at any time" in said


def test_a_developer_reads_the_reason_where_an_owners_form_is_refused(client, project, viewer):
    refused = {
        page("apikeys:settings", project): Permission.MANAGE_PROJECT,
        page("projects:delete", project): Permission.MANAGE_PROJECT,
        page("apikeys:show_once", project): Permission.MANAGE_PROJECT,
        page("apikeys:keep_secrets", project): Permission.MANAGE_PROJECT,
        page("projects:change_role", project, viewer): Permission.MANAGE_MEMBERS,
    }
    for address, can in refused.items():
        answer = client.post(address, {"name": "Mine", "role": "owner"})
        assert answer.status_code == 403, address
        assert reason(can) in text(answer), address
    assert Project.objects.get(pk=project.pk).name == "Acme Weather"


def test_the_help_page_says_what_each_role_can_do_as_the_permissions_have_it(client):
    content = client.get(reverse("apikeys:help")).content.decode()
    table = re.search(r'<h2 id="roles">.*?</table>', content, re.DOTALL)
    assert table
    rows = re.findall(r'<th scope="row">([^<]+)</th>((?:\s*<td>(?:Yes|No)</td>)+)', table[0])
    shown = [(words, [cell == "Yes" for cell in re.findall(r"Yes|No", cells)]) for words, cells in rows]
    assert shown == rights_of_roles()
    assert re.findall(r'<th scope="col">([^<]+)</th>', table[0])[1:] == list(Role.labels)
    assert dict(shown)["Copy and reveal secrets"] == [True, True, False]


def test_an_error_page_inside_a_project_keeps_the_project_in_the_menu(client, outsider, project, signed_in):
    """A stranger's error page has no project, as for an id that never existed."""
    missing = reverse("apikeys:key", args=[project.public_id, "key_0000000000000000"])
    for path, status in ((page("projects:delete", project), 403), (missing, 404)):
        answer = client.get(path)
        assert answer.status_code == status
        assert "Switch project, now Acme Weather" in answer.content.decode()
        assert page("apikeys:settings", project) in answer.content.decode()
        assert "Acme Weather" not in signed_in(outsider).get(path).content.decode()
