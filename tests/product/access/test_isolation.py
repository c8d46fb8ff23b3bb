"""P3: a key reaches everything in its own project and nothing in any other."""

from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from projects.invitations.models import Invitation
from projects.invitations.services import invite
from projects.models import File, Project
from projects.permissions import Role
from tests.support.factories import FileFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.support.places.routes import all_routes

pytestmark = pytest.mark.nodb


class Side(NamedTuple):
    """A project with everything that belongs to it."""

    owner: User
    project: Project
    key: ApiKey
    secret: str
    file: File
    content: bytes
    invitation: Invitation

    def words(self) -> list[str]:
        """Words that the other side must never read."""
        about = [self.project.public_id, self.project.name, self.key.public_id, self.key.name, self.key.mask]
        about += [self.invitation.public_id, self.invitation.email]
        return [*about, self.file.public_id, self.file.name, self.owner.email, self.content.decode()]

    def call(self, method: str, path: str, **data: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"}
        return getattr(Client(), method)(f"/api/v1{path}", headers=headers, **data)


def make_side(name: str) -> Side:
    owner = UserFactory(email=f"{name}@example.com")
    project = ProjectFactory(name=f"Project of {name}", created_by=owner)
    MembershipFactory(project=project, user=owner, role=Role.OWNER)
    new = create_key(project=project, name=f"Key of {name}", by=owner)
    content = f"content of {name}".encode()
    file = FileFactory(project=project, name=f"file-of-{name}.txt", content=content)
    [invitation] = invite(project=project, emails=[f"invited-by-{name}@example.com"], role=Role.VIEWER, by=owner)
    return Side(owner, project, new.key, new.secret, file, content, invitation)


@pytest.fixture
def mine(db) -> Side:
    return make_side("ours")


@pytest.fixture
def theirs(db) -> Side:
    return make_side("theirs")


def body_of(answer: Any) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


def test_a_key_reaches_everything_of_its_own_project(mine, theirs):
    """P3"""
    me = mine.call("get", "/me").json()["data"]
    assert me == {
        "key": {"id": mine.key.public_id, "name": mine.key.name, "standing": "active", "expires_at": None},
        "project": {"id": mine.project.public_id, "name": mine.project.name},
        "user": {"id": mine.owner.public_id, "email": mine.owner.email},
    }
    verified = mine.call("get", "/verify").headers
    assert verified["X-Latchkey-Key"] == mine.key.public_id
    assert verified["X-Latchkey-Project"] == mine.project.public_id
    assert verified["X-Latchkey-User"] == mine.owner.public_id
    assert [file["id"] for file in mine.call("get", "/files").json()["data"]] == [mine.file.public_id]
    assert mine.call("get", f"/files/{mine.file.public_id}").json()["data"]["name"] == mine.file.name
    assert body_of(mine.call("get", f"/files/{mine.file.public_id}/content")).encode() == mine.content
    stored = mine.call("post", "/files", data={"file": SimpleUploadedFile("new.txt", b"new")})
    assert stored.status_code == 201
    assert mine.call("delete", f"/files/{stored.json()['data']['id']}").status_code == 204


def test_every_key_of_a_project_reaches_all_of_it_whoever_made_it(mine):
    """P2, P3: one key stores a file, and another key of the project reads it and names its own creator."""
    colleague = UserFactory(email="colleague@example.com")
    MembershipFactory(project=mine.project, user=colleague, role=Role.OWNER)
    new = create_key(project=mine.project, name="Colleague's", by=colleague)
    other = mine._replace(key=new.key, secret=new.secret)
    assert other.call("get", f"/files/{mine.file.public_id}").status_code == 200
    assert other.call("get", "/me").json()["data"]["user"]["email"] == "colleague@example.com"


def test_a_key_reaches_nothing_of_another_project_over_the_api(mine, theirs):
    """P3: every call, with the other project's ids in every place for an id, a parameter or a field."""
    ids = {"project_id": theirs.project.public_id, "key_id": theirs.key.public_id, "file_id": theirs.file.public_id}
    for route in all_routes():
        if not route.is_api:
            continue
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            path = route.path(**ids).removeprefix("/api/v1")
            path += f"?project={theirs.project.public_id}&project_id={theirs.project.pk}&page=1&limit=100"
            answer = mine.call(method, path)
            if "file_id" in route.pattern and method in {"get", "delete", "head"}:
                assert answer.status_code in {404, 405}
            assert_silent_about(theirs, body_of(answer) + str(answer.headers), path)
    assert File.objects.filter(pk=theirs.file.pk).exists()
    assert body_of(theirs.call("get", f"/files/{theirs.file.public_id}/content")).encode() == theirs.content


def assert_silent_about(side: Side, text: str, asked: str) -> None:
    for word in side.words():
        assert word not in text.replace(asked, "").replace(asked.replace("&", "&amp;"), "") or word in asked, word


def test_an_upload_lands_in_the_keys_own_project(mine, theirs):
    """P3: the form and the URL do not change the project."""
    data = {"file": SimpleUploadedFile("new.txt", b"new"), "project": theirs.project.pk, "project_id": "x"}
    mine.call("post", f"/files?project_id={theirs.project.public_id}", data=data)
    assert File.objects.get(name="new.txt").project == mine.project
    assert theirs.call("get", "/files").json()["meta"]["total"] == 1


def test_the_quota_of_one_project_is_not_anothers(mine, theirs, settings):
    settings.PROJECT_QUOTA = 20
    upload = {"file": SimpleUploadedFile("a.txt", b"123456789")}
    assert theirs.call("post", "/files", data=upload).status_code == 413
    theirs.file.delete()
    upload = {"file": SimpleUploadedFile("a.txt", b"123456789")}
    assert theirs.call("post", "/files", data=upload).status_code == 201
    assert mine.call("get", "/files").json()["meta"]["total"] == 1


def test_a_persons_pages_show_nothing_of_another_project(mine, theirs, signed_in):
    """P3: the person's own ids show only the person's data. The other project's ids answer 404 everywhere."""
    client = signed_in(mine.owner)
    own = {"project_id": mine.project.public_id, "key_id": mine.key.public_id, "user_id": mine.owner.public_id}
    other = {"project_id": theirs.project.public_id, "key_id": theirs.key.public_id, "user_id": theirs.owner.public_id}
    own["invitation_id"], other["invitation_id"] = mine.invitation.public_id, theirs.invitation.public_id
    pages = [route for route in all_routes() if route.is_page and not route.pattern.startswith(("health", "favicon"))]
    for route in pages:
        answer = client.get(route.path(**own))
        assert_silent_about(theirs, answer.getvalue().decode(), "")
        if "project_id" not in route.pattern:
            continue
        mixtures = [other]
        for name in ("key_id", "user_id", "invitation_id"):
            if name in route.pattern:
                mixtures += [own | {name: other[name]}, other | {name: own[name]}]
        for ids in mixtures:
            for method in (client.get, client.post):
                answer = method(route.path(**ids))
                assert answer.status_code in {404, 405}
                assert_silent_about(theirs, answer.getvalue().decode(), "")
    settings = f"/projects/{mine.project.public_id}/settings/"
    for query in ({"created": theirs.key.public_id}, {"q": theirs.key.name}, {"q": theirs.key.mask[-4:]}):
        shown = client.get(settings, query).content.decode()
        assert f'id="row-{theirs.key.public_id}"' not in shown
        assert theirs.key.mask not in shown
    dashboard = client.get(f"/projects/{mine.project.public_id}/", {"key": theirs.key.public_id}).content.decode()
    assert_silent_about(theirs, dashboard, "")


def test_an_action_on_one_key_changes_no_other_key(mine, theirs, signed_in):
    second = create_key(project=mine.project, name="Second", by=mine.owner)
    client = signed_in(mine.owner)
    at = f"/projects/{mine.project.public_id}/"
    client.post(f"{at}keys/{mine.key.public_id}/pause/")
    assert mine.call("get", "/me").json()["error"]["code"] == "key_paused"
    assert mine._replace(secret=second.secret).call("get", "/me").status_code == 200
    assert theirs.call("get", "/me").status_code == 200
    client.post(f"{at}keys/{second.key.public_id}/delete/")
    assert mine._replace(secret=second.secret).call("get", "/me").json()["error"]["code"] == "key_deleted"
    client.post(f"{at}delete/", {"confirmation": mine.project.name})
    assert mine.call("get", "/me").json()["error"]["code"] == "key_deleted"
    assert theirs.call("get", "/files").json()["meta"]["total"] == 1


@pytest.mark.parametrize("role", ["removed", "viewer"])
def test_a_member_who_loses_a_right_loses_it_with_the_next_request(role, mine, signed_in):
    client = signed_in(mine.owner)
    path = f"/projects/{mine.project.public_id}/keys/{mine.key.public_id}/copy/"
    assert client.post(path).status_code == 200
    membership = mine.project.memberships.get()
    if role == "removed":
        membership.delete()
    else:
        membership.role = Role.VIEWER
        membership.save()
    assert client.post(path).status_code == (404 if role == "removed" else 403)
