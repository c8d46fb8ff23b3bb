"""Who may what: every URL against every persona, and what a stranger can find out."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction
from django.test import Client

from accounts.models import User
from apikeys.models import ApiKey, KeyEvent
from projects.models import File, Membership, Project
from projects.permissions import Role, permissions_of
from tests.factories import ApiKeyFactory, FileFactory, MembershipFactory
from tests.routes import NEVER, Route, all_routes
from tests.tables import everything

PROJECT = "projects/<project_id:project_id>/"
KEY = PROJECT + "keys/<key_id:key_id>/"
FILE = "api/v1/files/<file_id:file_id>"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PERSONAS = ("anonymous", "outsider", "viewer", "owner", "admin")
LOGIN = "login"  # 302 to the login page, which leads back

# One row a URL. Each method has the status for each of PERSONAS, in that order; HEAD is as GET, and
# every other method is 405 once LoginRequired has let the person pass.
ACCESS: dict[str, dict[str, tuple[int | str, ...]]] = {
    "": {"GET": (302, 302, 302, 302, 302)},
    "favicon.ico": dict.fromkeys(("GET", "OPTIONS", *UNSAFE), (302,) * 5),
    "help/": {"GET": (200,) * 5},
    "projects/": {"GET": (LOGIN, 200, 200, 200, 200)},
    "projects/new/": {"GET": (LOGIN, 200, 200, 200, 200), "POST": (LOGIN, 302, 302, 302, 302)},
    PROJECT: {"GET": (LOGIN, 404, 200, 200, 404)},
    PROJECT + "start/": {"GET": (LOGIN, 404, 403, 200, 404)},
    PROJECT + "settings/": {"GET": (LOGIN, 404, 200, 200, 404), "POST": (LOGIN, 404, 403, 302, 404)},
    PROJECT + "activity/": {"GET": (LOGIN, 404, 200, 200, 404)},
    PROJECT + "usage/": {"GET": (LOGIN, 404, 200, 200, 404)},
    PROJECT + "usage.csv": {"GET": (LOGIN, 404, 200, 200, 404)},
    PROJECT + "mails/": {"POST": (LOGIN, 404, 403, 302, 404)},
    PROJECT + "delete/": {"GET": (LOGIN, 404, 403, 200, 404), "POST": (LOGIN, 404, 403, 302, 404)},
    PROJECT + "show-once/": {"GET": (LOGIN, 404, 403, 200, 404), "POST": (LOGIN, 404, 403, 302, 404)},
    PROJECT + "keep-secrets/": {"POST": (LOGIN, 404, 403, 302, 404)},
    PROJECT + "keys/new/": {"GET": (LOGIN, 404, 403, 200, 404), "POST": (LOGIN, 404, 403, 302, 404)},
    KEY + "pause/": {"POST": (LOGIN, 404, 403, 302, 404)},
    KEY + "resume/": {"POST": (LOGIN, 404, 403, 302, 404)},
    KEY + "copy/": {"POST": (LOGIN, 404, 403, 200, 404)},
    KEY + "reveal/": {"POST": (LOGIN, 404, 403, 200, 404)},
    KEY + "first-request/": {"GET": (LOGIN, 404, 302, 302, 404)},
    KEY + "delete/": {"GET": (LOGIN, 404, 403, 200, 404), "POST": (LOGIN, 404, 403, 302, 404)},
    # Keys alone open the API: whoever is signed in is as unknown to it as anyone.
    "api/v1/verify": dict.fromkeys(("GET", "OPTIONS", *UNSAFE), (401,) * 5),
    "api/v1/me": {"GET": (401,) * 5, "OPTIONS": (204,) * 5},
    "api/v1/files": {"GET": (401,) * 5, "POST": (401,) * 5, "OPTIONS": (204,) * 5},
    FILE: {"GET": (401,) * 5, "DELETE": (401,) * 5, "OPTIONS": (204,) * 5},
    FILE + "/content": {"GET": (401,) * 5, "OPTIONS": (204,) * 5},
    # Reports need no key; an empty one is none, and GitHub's are taken once its keys are known (test_reports.py).
    "api/v1/report": {"POST": (400,) * 5, "OPTIONS": (204,) * 5},
    "api/v1/report/github": {"POST": (404,) * 5, "OPTIONS": (204,) * 5},
    "api/v1/openapi.json": {"GET": (200,) * 5, "OPTIONS": (204,) * 5},
    "api/v1/docs": {"GET": (200,) * 5, "OPTIONS": (204,) * 5},
}

# What libraries bring and strangers may open: sign-up, sign-in, and the ways back in. All else needs a login.
OPEN_TO_STRANGERS = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/inactive/",
    "accounts/signup/",
    "accounts/confirm-email/",
    r"accounts/^confirm-email/(?P<key>[-:\w]+)/$",
    "accounts/password/reset/",
    "accounts/password/reset/confirm/",
    "accounts/password/reset/complete/",
    "accounts/password/reset/done/",
    "accounts/login/code/confirm/",
    "accounts/2fa/authenticate/",
    "accounts/2fa/webauthn/login/",
    "admin/login/",
}

# What makes a POST succeed for whoever may.
BODIES = {
    "projects/new/": {"name": "Another project"},
    PROJECT + "settings/": {"name": "Renamed"},
    PROJECT + "mails/": {"created": "on"},
    PROJECT + "delete/": {"confirmation": "Acme Weather"},
    PROJECT + "keys/new/": {"name": "Staging"},
}

ROUTES = {route.pattern: route for route in all_routes()}
OURS = [route for route in ROUTES.values() if route.is_page or route.is_api]
OF_A_PROJECT = [route for route in OURS if "project_id" in route.pattern]


def name_of(route: Route) -> str:
    return route.pattern or "home"


@pytest.fixture
def clients(owner, outsider, viewer, admin, signed_in) -> dict[str, Client]:
    people = {"outsider": outsider, "viewer": viewer, "owner": owner, "admin": admin}
    return {"anonymous": Client()} | {name: signed_in(person) for name, person in people.items()}


@pytest.fixture
def stored_file(project) -> File:
    file: File = FileFactory(project=project)
    return file


# Every URL is in the table


def test_every_url_of_ours_is_in_the_table():
    assert {route.pattern for route in OURS} == set(ACCESS)


def test_strangers_are_let_in_exactly_where_it_is_meant():
    ours = {pattern for pattern, row in ACCESS.items() if LOGIN not in next(iter(row.values()))}
    assert {route.pattern for route in ROUTES.values() if route.is_open} == ours | OPEN_TO_STRANGERS


@pytest.mark.parametrize("pattern", [route.pattern for route in OF_A_PROJECT])
def test_every_url_of_a_project_is_hidden_from_outsiders_and_admins(pattern):
    for statuses in ACCESS[pattern].values():
        assert (statuses[0], statuses[1], statuses[4]) == (LOGIN, 404, 404)


@pytest.mark.parametrize("pattern", ACCESS)
def test_each_persona_gets_what_the_table_says(pattern, clients, project, api_key, stored_file):
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "file_id": stored_file.public_id}
    path = ROUTES[pattern].path(**ids)
    for persona in PERSONAS:
        with transaction.atomic():
            for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST"):
                data: Any = BODIES.get(pattern, {}) if method == "POST" else ""
                answer = getattr(clients[persona], method.lower())(path, data=data)
                assert is_answered(answer, expected(pattern, method, persona)), (method, persona, answer)
            transaction.set_rollback(True)


def expected(pattern: str, method: str, persona: str) -> int | str:
    row = ACCESS[pattern]
    if statuses := row.get("GET" if method == "HEAD" else method):
        return statuses[PERSONAS.index(persona)]
    return LOGIN if persona == "anonymous" and LOGIN in next(iter(row.values())) else 405


def is_answered(answer: Any, status: int | str) -> bool:
    if status == LOGIN:
        return answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login/?next=/")
    return bool(answer.status_code == status)


@pytest.mark.parametrize("persona", PERSONAS[:-1])
def test_the_admin_is_closed_to_all_but_staff(persona, clients):
    to = ("/admin/login/", "/accounts/login/")
    for route in ROUTES.values():
        if route.is_admin and not route.is_open:
            answer = clients[persona].get(route.path())
            assert answer.status_code == 302, route.pattern
            # Its own sign-out leads others to its front page, and that to the login.
            assert answer.headers["Location"].startswith(to) or route.pattern == "admin/logout/", route.pattern


def test_account_pages_that_are_not_open_lead_strangers_to_the_login(db):
    for route in ROUTES.values():
        if route.is_account and not route.is_open:
            answer = Client().get(route.path())
            assert answer.status_code == 302, route.pattern
            assert answer.headers["Location"].startswith("/accounts/login/?next="), route.pattern


def test_a_role_nobody_knows_may_nothing():
    """The database refuses such a role; were it there, it would open nothing."""
    assert permissions_of("superhero") == frozenset()


# T16: what a stranger learns

_RANDOM = re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]+|req_[0-9A-Za-z]{16}')
_RANDOM_HEADERS = {"X-Request-Id", "Expires"}
_OWN_IDS = re.compile(r"(prj|key|file)_[0-9A-Za-z]{16}")
AS_WHAT: list[dict[str, str]] = [
    {},
    {"Accept": "application/json"},
    {"HX-Request": "true", "HX-Target": "api-keys"},
]


def seen(answer: Any) -> tuple[int, str, dict[str, str]]:
    """All that a stranger can tell answers apart by, but for random tokens, the time, and the ids they asked with."""
    headers = {
        name: _OWN_IDS.sub("id", _RANDOM.sub(r"\1", value))
        for name, value in answer.headers.items()
        if name not in _RANDOM_HEADERS
    }
    return answer.status_code, _OWN_IDS.sub("id", _RANDOM.sub(r"\1", answer.content.decode())), headers


def both(client: Client, route: Route, there: dict[str, str], never: dict[str, str], **options: Any) -> None:
    for method in ("GET", "POST", "DELETE"):
        for headers in AS_WHAT:
            send = {"data": BODIES.get(route.pattern, {}) if method == "POST" else "", **options}
            send["headers"] = headers | options.get("headers", {})
            call = getattr(client, method.lower())
            assert seen(call(route.path(**there), **send)) == seen(call(route.path(**never), **send)), (method, headers)


@pytest.mark.parametrize("persona", ["anonymous", "outsider", "admin"])
@pytest.mark.parametrize("route", OF_A_PROJECT, ids=name_of)
def test_a_strangers_answer_for_a_project_equals_that_for_one_that_never_existed(
    route, persona, clients, project, api_key
):
    """T16"""
    there = {"project_id": project.public_id, "key_id": api_key.public_id}
    before = everything()
    both(clients[persona], route, there, NEVER)
    assert everything() == before


@pytest.mark.parametrize("persona", ["owner", "outsider"])
@pytest.mark.parametrize("route", [r for r in OF_A_PROJECT if "key_id" in r.pattern], ids=name_of)
def test_anothers_key_under_ones_own_project_equals_one_that_never_existed(
    route, persona, clients, project, api_key, outsider
):
    """T16: for the outsider `api_key` is a stranger's, for the owner the key of yet another project."""
    mine, key = project, ApiKeyFactory()
    if persona == "outsider":
        mine, key = outsider.projects.get(), api_key
    before = everything()
    both(
        clients[persona],
        route,
        {"project_id": mine.public_id, "key_id": key.public_id},
        {"project_id": mine.public_id, "key_id": NEVER["key_id"]},
    )
    assert everything() == before


@pytest.mark.parametrize("route", [ROUTES[FILE], ROUTES[FILE + "/content"]], ids=name_of)
def test_anothers_file_equals_one_that_never_existed(route, api_key):
    """T16"""
    file = FileFactory()
    before = everything()
    key = {"Authorization": f"Bearer {api_key.secret}"}
    both(Client(), route, {"file_id": file.public_id}, NEVER, headers=key)
    assert everything() == before


@pytest.mark.parametrize("route", OF_A_PROJECT, ids=name_of)
def test_a_deleted_project_is_to_its_owner_as_if_it_had_never_existed(route, clients, project, api_key):
    path = ROUTES[PROJECT + "delete/"].path(project_id=project.public_id)
    clients["owner"].post(path, {"confirmation": project.name})
    clients["owner"].get("/projects/")  # the announcement was read
    both(clients["owner"], route, {"project_id": project.public_id, "key_id": api_key.public_id}, NEVER)


# T17: fields nobody offered

PROTECTED = ("project", "digest", "state", "created_by", "ciphertext", "role", "is_staff")


class Form(NamedTuple):
    path: str
    data: dict[str, Any]


def forms_of(project: Project, key: ApiKey) -> list[Form]:
    """Every form of ours with what makes it succeed, and allauth's that write users."""
    ids = {"project_id": project.public_id, "key_id": key.public_id}
    ours = [
        Form(route.path(**ids), BODIES.get(route.pattern, {}))
        for route in OURS
        if route.is_page and "POST" in ACCESS[route.pattern] and route.pattern not in {"favicon.ico"}
    ]
    email = Form("/accounts/email/", {"action_add": "", "email": "second@example.com"})
    signup = Form("/accounts/signup/", {"email": "new@example.com", "password1": "correct horse battery"})
    return [*ours, email, signup]


MODELS: tuple[type[models.Model], ...] = (Project, Membership, ApiKey, KeyEvent, File, User)


def protected_columns(known: dict[type[models.Model], set[Any]]) -> dict[str, Any]:
    """Each row's protected columns; of a new row's own bytes only whether they are what was posted."""
    found: dict[str, Any] = {}
    for model in MODELS:
        fields = [f for f in model._meta.fields if f.name in (*PROTECTED, "user", "by", "is_superuser")]
        for row in model._default_manager.order_by("pk").values("pk", *(field.attname for field in fields)):
            new = row["pk"] not in known[model]
            values = {field.name: _comparable(field, row[field.attname], known, new) for field in fields}
            found.setdefault(f"{model.__name__} {'new' if new else row['pk']}", []).append(values)
    return found


def _comparable(field: Any, value: Any, known: dict[type[models.Model], set[Any]], new: bool) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value) == b"hostile" if new else bytes(value)
    if field.is_relation and value not in known[field.related_model]:
        return "new"
    return value


@pytest.mark.parametrize("number", range(14))
def test_fields_that_no_form_offers_are_ignored(number, project, api_key, owner, outsider, signed_in):
    """T17"""
    other = outsider.projects.get()
    MembershipFactory(project=other, user=owner, role=Role.VIEWER)
    hostile: dict[str, Any] = {
        "project": other.pk,
        "project_id": other.public_id,
        "digest": "hostile",
        "ciphertext": "hostile",
        "state": "deleted",
        "created_by": outsider.pk,
        "created_by_id": outsider.pk,
        "by": outsider.pk,
        "user": outsider.pk,
        "role": "owner",
        "is_staff": "on",
        "is_superuser": "on",
        "pk": other.pk,
        "id": other.pk,
        "public_id": NEVER["key_id"],
        "deleted_at": "2020-01-01",
    }
    form = forms_of(project, api_key)[number]
    known = {model: set(model._default_manager.values_list("pk", flat=True)) for model in MODELS}

    def outcome(extra: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        client = Client() if "signup" in form.path else recently_signed_in(owner, signed_in)
        with transaction.atomic():
            answer = client.post(form.path, form.data | extra)
            found = protected_columns(known)
            transaction.set_rollback(True)
        return answer.status_code, found

    plain = outcome({})
    assert plain[0] in {200, 302}, "the form alone succeeds"
    assert outcome(hostile) == plain


def test_every_form_is_tried_for_fields_that_it_does_not_offer(project, api_key):
    assert len(forms_of(project, api_key)) == 14


def test_an_upload_takes_its_project_and_its_creator_from_the_key(api_key, outsider):
    """T17"""
    other = outsider.projects.get()
    Client().post(
        "/api/v1/files",
        {
            "file": SimpleUploadedFile("a.txt", b"a"),
            "project": other.pk,
            "project_id": other.public_id,
            "created_by": outsider.pk,
            "public_id": NEVER["file_id"],
        },
        headers={"Authorization": f"Bearer {api_key.secret}"},
    )
    file = File.objects.get()
    assert (file.project, file.created_by) == (api_key.project, api_key.created_by)
    assert file.public_id != NEVER["file_id"]


# T18: every unsafe route needs its CSRF token


@pytest.mark.parametrize("persona", ["anonymous", "owner", "admin"])
def test_every_unsafe_route_needs_its_token(persona, project, api_key, owner, admin, signed_in):
    """T18"""
    client = Client(enforce_csrf_checks=True)
    if persona != "anonymous":
        client = signed_in({"owner": owner, "admin": admin}[persona], enforce_csrf_checks=True)
    before = everything()
    ids = {"project_id": project.public_id, "key_id": api_key.public_id}
    for route in ROUTES.values():
        if route.is_api:
            continue
        for method in UNSAFE if route.is_page else ("POST",):
            data: Any = BODIES.get(route.pattern, {}) if method == "POST" else ""
            answer = getattr(client, method.lower())(route.path(**ids), data=data)
            assert answer.status_code == 403, (method, route.pattern)
            assert "<h1>This form has expired</h1>" in answer.content.decode(), (method, route.pattern)
    assert everything() == before


def test_a_token_of_another_session_is_refused(project, api_key, owner, signed_in):
    """T18"""
    client = signed_in(owner, enforce_csrf_checks=True)
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    client.get(f"/projects/{project.public_id}/settings/")
    assert client.post(path, {"csrfmiddlewaretoken": "a" * 64}).status_code == 403
    assert client.post(path, headers={"X-CSRFToken": "b" * 32}).status_code == 403
    api_key.refresh_from_db()
    assert api_key.is_active


def test_the_token_of_the_page_is_accepted(project, api_key, owner, signed_in):
    """T18, the other way round: otherwise a refusal of everything would pass."""
    client = signed_in(owner, enforce_csrf_checks=True)
    page = client.get(f"/projects/{project.public_id}/settings/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    path = ROUTES[KEY + "pause/"].path(project_id=project.public_id, key_id=api_key.public_id)
    assert client.post(path, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    api_key.refresh_from_db()
    assert api_key.is_paused


@pytest.mark.parametrize("route", [route for route in OURS if route.is_api], ids=name_of)
def test_the_api_has_no_ambient_authority(route, project, api_key, owner, signed_in):
    """T18: no token is asked for, as a session counts for nothing: an owner's equals nobody's."""
    file = FileFactory(project=project)
    path = route.path(file_id=file.public_id)
    session, nobody = signed_in(owner, enforce_csrf_checks=True), Client()
    before = everything()
    for method in UNSAFE:
        with_session, without = (seen(getattr(client, method.lower())(path)) for client in (session, nobody))
        assert with_session == without
        assert with_session[0] in ({400, 404, 405} if "report" in route.pattern else {401, 405})
    assert everything() == before


# T19: GET changes nothing


def recently_signed_in(user: User, signed_in: Callable[..., Client]) -> Client:
    """A client that no page asks for the password, and whose owner has a confirmed address."""
    EmailAddress.objects.get_or_create(user=user, email=user.email, primary=True, verified=True)
    client = signed_in(user)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    return client


@pytest.mark.parametrize("persona", ["anonymous", "owner", "admin"])
def test_looking_changes_nothing(persona, project, api_key, stored_file, owner, admin, signed_in):
    """T19. The table's ids are those of real rows, in the admin too."""
    client = Client()
    if persona != "anonymous":
        client = recently_signed_in({"owner": owner, "admin": admin}[persona], signed_in)
    before, mails = everything(), len(mail.outbox)
    ids = {"project_id": project.public_id, "key_id": api_key.public_id, "file_id": stored_file.public_id}
    for route in ROUTES.values():
        if route.is_admin is not (persona == "admin"):
            continue  # the admin site sends others away, which the table has shown
        path = route.path(**ids, object_id=_row_of(route), id=owner.pk)
        for method, headers in ways_to_look(route, api_key):
            answer = getattr(client, method)(path, headers=headers)
            b"".join(answer) if answer.streaming else answer.content
            assert answer.status_code < 500, (method, path)
    after = everything()
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert len(mail.outbox) == mails
    if persona != "anonymous":
        assert client.get("/projects/").status_code == 200


def ways_to_look(route: Route, key: Any) -> list[tuple[str, dict[str, str]]]:
    if route.is_api:
        return [(method, {"Authorization": f"Bearer {key.secret}"}) for method in ("get", "head", "options")]
    if route.is_page:
        return [("get", {}), ("get", {"HX-Request": "true"}), ("head", {}), ("options", {})]
    return [("get", {}), ("options", {})]


def _row_of(route: Route) -> Any:
    for model in MODELS:
        if f"/{model._meta.model_name}/" in route.pattern:
            row = model._default_manager.first()
            return row.pk if row else 1
    return 1
