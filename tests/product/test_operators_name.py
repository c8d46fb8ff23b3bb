"""Latchkey in an operator's name: customers see that name wherever they look, and never Latchkey's."""

import ast
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import timezone

import config.api
from apikeys.keys.secret_storage import show_secrets_once
from apikeys.keys.services import create_key
from apikeys.lifetimes.ends import change_end
from apikeys.lifetimes.notices import send_due_notices
from projects.audit_log.kinds import all_kinds
from tests.support.calls.api_client import downloaded
from tests.support.calls.openapi import document_of
from tests.support.environment import DATA_DIR, REPOSITORY
from tests.support.factories import FileFactory
from tests.support.people.accounts import new_person
from tests.support.places.access import BODIES, ROUTES, recently_signed_in
from tests.support.places.pages import page, text
from tests.support.programs.forks import run_each
from tests.support.settings.branded import LINKS, ittybit, settings_in

pytestmark = pytest.mark.django_db

PRODUCT = re.compile("latchkey", re.IGNORECASE)
TEMPLATES = REPOSITORY / "templates"
# Customers see neither the admin nor the headers of the check, which gateways know by their name.
OF_OPERATORS = ("admin/",)
OF_THE_CHECK = {"apikeys/help.html": "X-Latchkey-Expires"}


@pytest.fixture
def branded(settings, tmp_path) -> Iterator[None]:
    """The settings that config/settings.py makes of the operator's environment."""
    for name, value in settings_in(ittybit(tmp_path)).items():
        setattr(settings, name, value)
    vars(config.api.api).pop("_document", None)  # it is built once
    yield
    vars(config.api.api).pop("_document", None)


def assert_in_the_operators_name(content: str, where: str) -> None:
    found = re.search(".{0,80}latchkey.{0,80}", content, re.IGNORECASE)
    assert found is None, (where, found)


# What is written


def templates() -> list[Path]:
    found = [path for path in TEMPLATES.rglob("*.*") if not str(path.relative_to(TEMPLATES)).startswith(OF_OPERATORS)]
    assert len(found) > 200
    return found


@pytest.mark.nodb
def test_no_template_contains_the_products_name():
    named = {}
    for path in templates():
        source = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        source = source.replace(OF_THE_CHECK.get(str(path.relative_to(TEMPLATES)), "\0"), "")
        if found := PRODUCT.search(source):
            named[str(path)] = found[0]
    assert named == {}


# Modules whose sentences operators read: commands, the admin, the start of the server. What gateways get is theirs.
READ_BY_OPERATORS = re.compile(
    r"config/(backups|environment|monitoring|serving|management)/|config/settings.py|/management/|(^|/)admin\w*\.py|apikeys/verify/"
    r"|apikeys/api/verify_and_me.py|config/api_reference.py|common/(branding/brand|installation).py|common/metrics/"
)


@pytest.mark.nodb
def test_no_sentence_in_the_code_of_pages_and_emails_contains_the_products_name():
    named = {}
    for room in ("accounts", "apikeys", "common", "config", "projects"):
        for path in (REPOSITORY / room).rglob("*.py"):
            name = str(path.relative_to(REPOSITORY))
            if not READ_BY_OPERATORS.search(name) and (found := sentences(ast.parse(path.read_text()))):
                named[name] = found
    assert named == {}


def sentences(tree: ast.AST) -> set[str]:
    """The texts in code that contain the product's name, without docstrings."""
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docs = {id(getattr(node.body[0], "value", None)) for node in documented if ast.get_docstring(node)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
    words = {node.value for node in texts if isinstance(node.value, str)}
    return {text for text in words if PRODUCT.search(text)}


# What is seen


def test_no_page_of_any_person_contains_the_products_name(
    branded, owner, viewer, project, api_key, signed_in, settings
):
    """Every URL, as a stranger, a viewer and an owner see it, and the answers to the forms."""
    ids = {"project_id": project.public_id, "key_id": api_key.public_id}
    clients = [Client(), signed_in(viewer), recently_signed_in(owner, signed_in)]
    titles = 0
    for route in ROUTES.values():
        # The check answers gateways, which know its headers by their name.
        if route.is_admin or route.pattern.startswith(("accounts/logout/", "api/v1/verify")):
            continue
        # Of a project's pages a viewer sees other ones than the owner.
        for client in clients if "project_id" in route.pattern else clients[::2]:
            with downloaded(client.get(route.path(**ids))) as answer:
                content = answer.getvalue().decode(errors="replace")
            assert_in_the_operators_name(content + str(answer.headers), route.pattern)
            titles += "· ittybit</title>" in content
    assert titles > 80
    show_secrets_once(project=project, by=owner)
    for pattern, body in BODIES.items():
        if "delete/" not in pattern:
            answer = clients[2].post(ROUTES[pattern].path(**ids), body, follow=True)
            assert_in_the_operators_name(answer.content.decode(), pattern)


def test_every_error_page_has_the_operators_name(branded):
    for path in (TEMPLATES / "errors").glob("*.html"):
        shown = render_to_string(f"errors/{path.name}", {"received": "https://a.example", "expected": ["b"]})
        assert_in_the_operators_name(shown, path.name)
        assert re.search(r"· ittybit</title>", shown), path.name
        assert LINKS["SUPPORT_URL"] in shown, path.name
    for answer in (
        Client().get("/nowhere/"),
        Client().get("/help/", headers={"Host": "evil.example"}),
        Client().post("/help/"),
        Client(enforce_csrf_checks=True).post("/accounts/login/"),
        Client().get("/api/v1/nowhere"),
    ):
        assert answer.status_code >= 400
        assert_in_the_operators_name(answer.content.decode() + str(answer.headers), str(answer))


def test_the_answers_of_the_api_and_its_reference_have_the_operators_name(branded, client, authorization):
    document = document_of(client)
    assert document["info"]["title"] == "ittybit API"
    assert "/api/v1/files" in document["paths"]
    assert "/api/v1/verify" not in document["paths"], "the check is the operator's, and so are its headers"
    reference = client.get("/api/v1/docs").content.decode()
    assert reference.count("ITTYBIT_API_KEY") > 5
    for content in (json.dumps(document), reference, client.get("/api/v1/me", headers=authorization).content.decode()):
        assert_in_the_operators_name(content, "API")


def test_every_email_about_an_account_has_the_operators_name(branded, rf: RequestFactory):
    person = new_person()
    request = rf.get("/")
    request.user = person
    prefixes = {
        str(path.relative_to(TEMPLATES)).removesuffix("_message.txt")
        for path in TEMPLATES.rglob("email/*_message.txt")
        if path.name != "base_message.txt"
    }
    assert len(prefixes) > 12
    for prefix in prefixes:
        words = {"code": "ABC", "ip": "203.0.113.7", "user_agent": "x", "timestamp": timezone.now()}
        with context.request_context(request):
            message = get_account_adapter().render_mail(prefix, person.email, {"user": person, **words})
        assert_in_the_operators_name(str(message.message()), prefix)
        assert message.subject.startswith("[ittybit] "), prefix
        assert message.from_email == "ittybit <ittybit@localhost>", prefix
        assert "ittybit at" in message.body, prefix


def test_every_email_about_a_key_has_the_operators_name(branded, told, project, api_key, owner):
    messages = told(create_key, project=project, name="Another", by=owner)
    change_end(key=api_key, expires_at=timezone.now() + timedelta(days=3), by=None)
    messages += told(send_due_notices, timezone.now())
    assert len(messages) == 2
    for message in messages:
        assert message.subject.startswith("[ittybit] ")
        assert_in_the_operators_name(str(message.message()), message.subject)
    for kind in all_kinds():
        assert_in_the_operators_name(repr(kind), kind.code)
    assert mail.outbox


def test_authenticator_apps_and_browsers_name_the_operator(branded, rf: RequestFactory):
    person = new_person()
    address = unquote(get_mfa_adapter().build_totp_url(person, "A" * 32))
    assert "issuer=ittybit" in address
    with context.request_context(rf.get("/")):
        assert get_mfa_adapter().get_public_key_credential_rp_entity() == {"id": "testserver", "name": "ittybit"}


def test_links_of_the_operator_stand_where_people_look_for_them(branded, client, signed_in, owner, project, api_key):
    entrance = client.get("/accounts/login/").content.decode()
    foot = entrance.partition('<footer class="site-foot">')[2]
    dashboard = signed_in(owner).get(page("apikeys:dashboard", project)).content.decode()
    sidebar, _, legal = dashboard.partition('<footer class="site-foot">')
    for name, address in LINKS.items():
        link = f'href="{html.escape(address)}"'
        assert link in foot
        assert (link in legal) is (name in {"TERMS_URL", "PRIVACY_URL"})
        assert (link in sidebar) is (name not in {"TERMS_URL", "PRIVACY_URL"})


# Without the built-in files


def test_without_files_no_page_shows_or_mentions_them(settings, tmp_path, signed_in, owner, project, api_key):
    client = signed_in(owner)
    FileFactory(project=project, name="readings.csv")
    shown = text(client.get(page("apikeys:dashboard", project)))
    assert "readings.csv" in shown
    settings.BRAND = settings_in({"SHOW_FILES": "off"})["BRAND"]
    for place in ("apikeys:dashboard", "projects:delete"):
        assert not re.search(r"\bfiles?\b", text(client.get(page(place, project))), re.IGNORECASE), place
    assert "list of your project" not in text(client.get("/help/"))


WITHOUT_FILES = """
import django; django.setup()
from django.test import Client
from config.api import api
client = Client(headers={"host": "localhost"})
statuses = [client.get("/api/v1/files" + rest).status_code for rest in ("", "/file_0000000000000000")]
paths = sorted(path.removeprefix("/api/v1") for path in api.get_openapi_schema()["paths"])
print(statuses, paths)
for page in ("/api/v1/docs", "/api/v1/openapi.json", "/help/"):
    print(client.get(page).content.decode())
"""


@pytest.mark.nodb
def test_without_files_their_calls_are_404_and_not_in_the_reference():
    environment = {"DATA_DIR": str(DATA_DIR), "DJANGO_SETTINGS_MODULE": "config.settings", "SHOW_FILES": "false"}
    [outcome] = run_each(["-c", WITHOUT_FILES], [environment])
    calls, _, pages = outcome.stdout.partition("\n")
    assert calls == "[404, 404] ['/me', '/report', '/report/github', '/verify']"
    assert pages.count("<h1") == 2
    # The help speaks of a person's own .env file, and PHP has a function with that word in its name.
    words = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", pages, flags=re.DOTALL)
    words = words.replace(".env  file", "").replace("file_get_contents", "")
    found = re.findall(r".*(?:\b|_)(?:files?|uploads?)(?:\b|_).*", words, re.IGNORECASE)
    assert not found


# As a process


def snippets(page_of_help: str) -> dict[str, str]:
    """The snippets as a person copies them."""
    found = re.findall(r'<code id="snippet-(\w+)">(.*?)</code>', page_of_help, re.DOTALL)
    return {language: html.unescape(re.sub(r"<[^>]+>", "", code)) for language, code in found}


def test_p21_a_server_in_the_operators_name_shows_it_everywhere_and_its_snippets_run_as_they_stand(
    start_server, tmp_path, project, api_key
):
    """P21: the seed's own line stands in the JavaScript snippet: fetch(API_URL + '/files', …)."""
    FileFactory(project=project, name="first-readings.csv")
    server = start_server(**ittybit(tmp_path))
    answers = {path: server.request("GET", path) for path in ("/", "/help/", "/accounts/login/", "/nowhere/")}
    for path, answer in answers.items():
        shown = answer.body.decode()
        assert "· ittybit</title>" in shown, path
        assert_in_the_operators_name(shown + str(answer.headers), path)
    own_files = re.findall(r'"(/brand/[\w.]+)"', answers["/help/"].body.decode())
    assert [server.request("GET", path).status for path in own_files] == [200, 200]
    code = snippets(answers["/help/"].body.decode())
    assert f"const API_URL = '{server.url}/api/v1'" in code["javascript"]
    assert "fetch(API_URL + '/files', {headers: {'Authorization': 'Bearer ' + key}})" in code["javascript"]
    assert len(code) == 6
    for language, program in (("curl", "bash"), ("javascript", "node"), ("python", "python3")):
        assert "ITTYBIT_API_KEY" in code[language]
        (tmp_path / language).write_text(code[language])
        if language == "javascript" and not shutil.which("node"):
            continue
        environment = {"PATH": os.environ["PATH"], "ITTYBIT_API_KEY": api_key.secret}
        ran = subprocess.run(
            [program, language], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert "first-readings.csv" in ran.stdout, (language, ran)
