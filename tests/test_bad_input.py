"""Wrong and hostile input gets a 4xx or an error beside its field, and leaves nothing behind."""

import html
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services import create_key
from projects.models import Project
from projects.names import MAX_LENGTH, clean_name
from projects.services import create_project
from tests.environment import ON_SQLITE
from tests.factories import FileFactory
from tests.routes import all_routes
from tests.tables import everything

WORDS = [
    "\x00",
    "a\x00b",
    "x" * 10_000,
    "9" * 5_000,
    "99999999999999999999",
    "-1",
    "0",
    "1e309",
    "NaN",
    "٣",
    "true",
    "[]",
    "' OR 1=1 --",
    "%s%(x)s%n",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "\r\nX-Evil: 1",
    "//evil.example/",
    "///evil.example/",
    "https://evil.example/",
    "https:evil.example",
    "/\\evil.example/",
    "\\\\evil.example",
    "http://[::1",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\ufffd",
    "\uffff",
]
# As they stand in an address or a body: broken UTF-8 (overlong, a surrogate, cut short) and broken escapes.
RAW = ["%FF", "%C0%AF", "%ED%A0%80", "%F0%9F", "%00", "a%00b", "%", "%zz", "%u0041", "%F4%90%80%80"]
SENT = [quote(word, safe="") for word in WORDS] + RAW

# What each page reads from its address.
PARAMETERS = {
    "projects/": ["q", "page"],
    "projects/<project_id:project_id>/": ["key"],
    "projects/<project_id:project_id>/settings/": ["q", "page", "state", "created"],
    "projects/<project_id:project_id>/activity/": ["page"],
    "projects/<project_id:project_id>/usage/": ["range", "key", "page"],
    "projects/<project_id:project_id>/usage.csv": ["range", "key"],
    "accounts/login/": ["next"],
    "accounts/signup/": ["next"],
    "accounts/logout/": ["next"],
    "accounts/reauthenticate/": ["next"],
}
PAGES = [route for route in all_routes() if route.is_page and not route.pattern.startswith(("health", "favicon"))]


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def assert_harmless(answer: Any, what: Any = "") -> None:
    """No 5xx, no header of the sender's making, and a redirect leads to a page of ours."""
    assert answer.status_code < 500, what
    assert "X-Evil" not in answer.headers, what
    if location := answer.headers.get("Location") or answer.headers.get("HX-Redirect"):
        # A relative one stays here too; a browser reads \\ as / and leaves out control characters.
        assert not re.match(r"[\x00-\x20]*[/\\]{2}", location), (what, location)
        assert urlsplit(location)[:2] == ("", ""), (what, location)


# Addresses


@pytest.mark.parametrize(("pattern", "name"), [(page, name) for page, names in PARAMETERS.items() for name in names])
def test_no_parameter_of_an_address_can_break_a_page(pattern, name, client, project, api_key):
    """T25"""
    route = next(route for route in all_routes() if route.pattern == pattern)
    path = route.path(project_id=project.public_id)
    before = everything()
    for sent in SENT:
        query = f"{name}={sent}"
        assert_harmless(client.get(f"{path}?{query}"), query)
    assert everything() == before


@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.pattern)
def test_parameters_that_a_page_does_not_read_cannot_break_it(route, client, project, api_key):
    """T25"""
    path = route.path(project_id=project.public_id, key_id=api_key.public_id)
    for sent in SENT:
        query = "&".join(f"{name}={sent}" for name in ("q", "page", "state", "created", "key", "next", sent))
        assert_harmless(client.get(f"{path}?{query}"), query)


@pytest.mark.parametrize("page", ["0", "-1", "1.5", "x", "9" * 30, "1000001"])
def test_a_page_number_that_no_link_of_ours_has_is_refused(page, client, project, api_key):
    for path in ("/projects/", f"/projects/{project.public_id}/settings/", f"/projects/{project.public_id}/activity/"):
        answer = client.get(path, {"page": page})
        assert answer.status_code == 400
        assert "<h1>This address is malformed</h1>" in answer.content.decode()


def test_a_page_after_the_last_shows_the_last(client, project, api_key):
    assert client.get(f"/projects/{project.public_id}/settings/", {"page": "7"}).status_code == 200


def test_no_path_can_break_the_server(client, project, api_key):
    """T25"""
    before = everything()
    for sent in SENT:
        if len(sent) > 3000:
            sent = sent[:3000]
        for path in (
            f"/{sent}",
            f"/projects/{sent}/",
            f"/projects/{project.public_id}{sent}/settings/",
            f"/projects/{project.public_id}/keys/{sent}/pause/",
            f"/projects/{project.public_id}/keys/{api_key.public_id}{sent}/delete/",
            f"/accounts/confirm-email/{sent}/",
            f"/accounts/2fa/webauthn/keys/{sent}/edit/",
            f"/api/v1/files/{sent}",
        ):
            assert_harmless(client.get(path), path)
            assert client.post(path).status_code in {301, 302, 401, 403, 404, 405}, path
    assert everything() == before


# Forms


class Field(NamedTuple):
    """A field of a form, with what makes the rest of the form right."""

    path: str
    name: str
    rest: dict[str, str]

    def __str__(self) -> str:
        return f"{self.path} {self.name}"


FIELDS = [
    Field("/projects/new/", "name", {}),
    Field("/projects/new/", "form_token", {"name": "Fine"}),
    Field("{project}settings/", "name", {}),
    Field("{project}mails/", "created", {}),
    Field("{project}delete/", "confirmation", {}),
    Field("{project}keys/new/", "name", {}),
    Field("{project}keys/new/", "form_token", {"name": "Fine"}),
    Field("{project}keys/new/", "next", {"name": "Fine"}),
    Field("{key}pause/", "next", {}),
    Field("{key}resume/", "next", {}),
    Field("{key}copy/", "next", {}),
    Field("{key}delete/", "confirmation", {}),
    Field("{key}delete/", "next", {"confirmation": "Production server"}),
    Field("/accounts/login/", "login", {"password": "wrong"}),
    Field("/accounts/login/", "password", {"login": "owner@example.com"}),
    Field("/accounts/login/", "next", {"login": "guest@example.com", "password": "correct horse"}),
    Field("/accounts/signup/", "email", {"password1": "correct horse battery"}),
    Field("/accounts/signup/", "password1", {"email": "new@example.com"}),
    Field("/accounts/signup/", "next", {"email": "new@example.com", "password1": "correct horse battery"}),
    Field("/accounts/password/reset/", "email", {}),
    Field("/accounts/email/", "email", {"action_add": ""}),
    Field("/accounts/password/change/", "oldpassword", {"password1": "correct horse battery"}),
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_no_field_of_a_form_can_break_it(field, client, project, api_key, signed_in):
    """T25. Sent as browsers do, byte for byte; what is refused leaves nothing behind."""
    if field.path.startswith("/accounts/") and "password/change" not in field.path and "email" not in field.path[-7:]:
        client = Client()
        User.objects.create_user("guest@example.com", "correct horse")
    api_key.last_used_at = timezone.now()
    api_key.save()
    at = f"/projects/{project.public_id}/"
    path = field.path.format(project=at, key=f"{at}keys/{api_key.public_id}/")
    rest = "".join(f"&{name}={quote(value)}" for name, value in field.rest.items())
    before = everything()
    for sent in SENT:
        with transaction.atomic():
            body = f"{field.name}={sent}{rest}".encode()
            answer = client.post(path, body, content_type="application/x-www-form-urlencoded")
            assert_harmless(answer, sent)
            if answer.status_code >= 400:
                assert everything() == before, sent
            assert all(is_clean(row.name) for model in (Project, ApiKey) for row in model._default_manager.all()), sent
            transaction.set_rollback(True)


def is_clean(name: str) -> bool:
    return name == clean_name(name)


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
@pytest.mark.parametrize("name", ["", "   ", "\u00a0\u3000", "x" * 65, "x" * 10_000])
def test_a_refused_name_is_explained_beside_its_field_and_kept(path, name, client, project, api_key):
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": name})
    assert answer.status_code == 422
    error = "Enter a name." if not name.strip() else f"Use at most 64 characters; this has {len(name)}."
    assert_error_beside_the_name(answer.content.decode(), error, name)
    assert everything() == before


def assert_error_beside_the_name(page: str, error: str, typed: str) -> None:
    field = re.search(
        r'<input[^>]*name="name"[^>]*>\s*(?:<div role="alert">)?<ul class="errors"[^>]*>(.*?)</ul>', page, re.DOTALL
    )
    assert field, "no error beside the field"
    assert error in html.unescape(field[1])
    value = re.search(r'value="([^"]*)"', field[0])
    assert html.unescape(value[1] if value else "") == typed
    assert 'aria-invalid="true"' in field[0]
    described_by = re.search(r'aria-describedby="([^"]+)"', field[0])
    assert described_by, "the error belongs to the field for a screen reader too"
    assert f'id="{described_by[1]}"' in field[0]


def test_a_body_of_a_kind_that_no_form_sends_is_refused(client, project, api_key):
    """T25: JSON, XML, nothing, multipart without a boundary, charsets that are none."""
    path = f"/projects/{project.public_id}/keys/new/"
    for content_type, body in [
        ("application/json", b'{"name": "Fine"}'),
        ("application/json", b"\xff"),
        ("text/xml", b"<name>Fine</name>"),
        ("", b"name=Fine"),
        ("multipart/form-data", b"name=Fine"),
        ("multipart/form-data; boundary=", b"name=Fine"),
        ("multipart/form-data; boundary=\xff", b"--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nFi'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="na\x00me"\r\n\r\nFi\r\n--x--',
        ),
        ("multipart/form-data; boundary=x", b"\x00" * 1000),
        ("application/x-www-form-urlencoded; charset=utf-16", b"name=Fine"),
        ("application/x-www-form-urlencoded; charset=hex", b"name=%41"),
        ("application/x-www-form-urlencoded; charset=nothing", b"name="),
    ]:
        before = everything()
        answer = client.generic("POST", path, body, content_type=content_type)
        # What stops short is read as far as it goes, as Django does; every other body is refused.
        assert 400 <= answer.status_code < 500 or body.endswith(b"\r\nFi"), (content_type, body, answer)
        assert_harmless(answer, content_type)
        if answer.status_code >= 400:
            assert everything() == before, content_type


CHARSETS = ["utf-16", "hex", "rot13", "base64", "idna", "undefined", "punycode", "zlib", '"hex"', "x" * 500]


@pytest.mark.parametrize("charset", CHARSETS)
def test_no_charset_can_break_the_server(charset, db):
    """T25: Python knows codecs that are none of text, and a Content-Type may name them before any middleware runs."""
    from config.wsgi import application  # loads the middleware, which needs the static files

    for kind in (
        "text/plain; charset={}",
        "text/plain;a=b;CHARSET = {};c=d",
        "multipart/form-data; charset={}; boundary=x",
    ):
        for path, status in (("/help/", {200, 405}), ("/projects/", {302}), ("/api/v1/me", {401, 405})):
            for method in ("GET", "POST"):
                environ = RequestFactory().generic(method, f"{path}?q=%41%FF", b"--x--").environ
                environ["CONTENT_TYPE"] = kind.format(charset)
                started: list[str] = []
                b"".join(application(environ, lambda line, headers, started=started: started.append(line)))
                assert int(started[0][:3]) in status | {403}, (kind, path, method)


def test_more_than_a_form_could_hold_is_refused(client, project, api_key):
    """T25: too many fields, too large a body, more files than any form sends."""
    before = everything()
    path = f"/projects/{project.public_id}/keys/new/"
    many = {"name": "Fine"} | {f"field{number}": "x" for number in range(101)}
    long = b"name=Fine&x=" + b"x" * 1_000_000
    assert_refused(client.post(path, many))
    assert_refused(client.post(path, long, content_type="application/x-www-form-urlencoded"))
    assert_refused(client.post(path, {"name": "Fine", "x": "x" * 1_000_000}))
    assert_refused(client.get("/projects/?" + "&".join(["q=x"] * 5_000)))
    assert everything() == before


def assert_refused(answer: Any) -> None:
    assert answer.status_code in {400, 413}
    assert "<h1>" in answer.content.decode(), "the page is our own"


# Headers

HEADERS = [
    "",
    "\x00",
    "x" * 20_000,
    "//evil.example/",
    "https://evil.example/projects/",
    "http://testserver//evil.example/",
    "http://testserver/\\evil.example/",
    "http://[evil",
    "http://testserver/?page=abc",
    "http://testserver/?page=99999999999999999999",
    "http://testserver/?q=%00",
    "http://testserver/?q=%FF&state=%FF",
    "http://testserver/?" + "q=x&" * 5_000,
    "javascript:alert(1)",
    "\xff\xfe",
    "#<script>",
]


@pytest.mark.parametrize("name", ["HX-Current-URL", "HX-Target", "Referer", "Accept"])
def test_no_header_can_spoil_what_an_action_answers(name, client, project, api_key):
    """T25: the change is made once and its answer is the one that htmx expects."""
    key = f"/projects/{project.public_id}/keys/{api_key.public_id}/"
    for value in HEADERS:
        headers = {"HX-Request": "true", name: value}
        for path in (f"{key}pause/", f"{key}resume/", f"{key}delete/"):
            with transaction.atomic():
                answer = client.post(path, headers=headers)
                assert answer.status_code == 200, (value, path)
                assert_harmless(answer, value)
                assert 'id="announcements"' in answer.content.decode()
                transaction.set_rollback(True)
        auto_encoded = headers | {f"{name}-URI-AutoEncoded": "true"}
        assert_harmless(client.get(f"/projects/{project.public_id}/settings/", headers=auto_encoded), value)


@pytest.mark.parametrize("value", HEADERS)
def test_a_referer_leads_nobody_elsewhere_after_signing_in(value, project, api_key):
    """T25: an open redirect would be one that survives the login."""
    User.objects.create_user("guest@example.com", "correct horse")
    client = Client()
    path = f"/projects/{project.public_id}/keys/{api_key.public_id}/pause/"
    answer = client.post(path, headers={"Referer": value})
    assert answer.status_code == 302
    assert_harmless(answer)
    assert re.match(r"/accounts/login/\?next=/(?!/|%5C)", answer.headers["Location"])
    answer = client.post(answer.headers["Location"], {"login": "guest@example.com", "password": "correct horse"})
    assert answer.status_code == 302
    assert_harmless(answer)


@pytest.mark.parametrize("host", ["evil.example", "", "testserver\x00", "a b", "[::1", "x" * 5_000])
def test_a_foreign_host_header_is_refused(host, client):
    for path in ("/projects/", "/accounts/login/", "/help/", "/"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code in {400, 200, 302}
        assert_harmless(answer)
        assert host == "" or host not in answer.content.decode()


@pytest.mark.parametrize("cookie", ["sessionid", "csrftoken", "messages"])
def test_no_cookie_can_break_a_page(cookie, db):
    """T25: quoted cookies may write a NUL as \\000."""
    for value in ['"\\000aaaaaaaaaaaa"', "x" * 10_000, "\xff" * 40, '"\\377\\377aaaaaaaaa"', "a:b:c", '"', "null"]:
        for path in ("/accounts/login/", "/projects/", "/help/"):
            answer = Client().get(path, headers={"Cookie": f"{cookie}={value}"})
            assert answer.status_code in {200, 302, 400}, (value, path)
            assert_harmless(answer, value)


@pytest.mark.parametrize("address", ["", "x", "\x00", "1.2.3.4, evil", "9" * 1000, "::1%eth0", "0x7f.1"])
def test_a_forwarded_address_that_is_none_is_left_out(address, client, project, api_key, settings):
    settings.TRUSTED_PROXIES = 1
    answer = client.post(
        f"/projects/{project.public_id}/keys/{api_key.public_id}/pause/", headers={"X-Forwarded-For": address}
    )
    assert answer.status_code == 302
    assert api_key.events.first().kind == "paused"


# Names: hidden characters

# Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt): what shows as nothing at all. U+FE0F, which
# makes a symbol an emoji, is welcome after a symbol, where it is seen.
IGNORABLE = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
CONTROLS = [(0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F)]
# Line and paragraph separators, the blank Braille pattern, private use, not characters, broken UTF-8.
OTHERS = [
    (0x2028, 0x2029),
    (0x2800, 0x2800),
    (0xE000, 0xE001),
    (0xFFFE, 0xFFFF),
    (0xFFFD, 0xFFFD),
    (0x10FFFF, 0x10FFFF),
]
HIDDEN = [
    chr(point)
    for first, last in IGNORABLE + CONTROLS + OTHERS
    for point in {*range(first, min(last, first + 40) + 1), last}
]


def is_hidden(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in IGNORABLE + CONTROLS + OTHERS)


@pytest.mark.nodb
def test_no_name_holds_a_hidden_character():
    """T26, each of them within a name, before it, and after it."""
    let_in = {
        f"U+{ord(character):04X}"
        for character in HIDDEN
        for name in (f"a{character}b", f"{character}a", f"a{character}", character)
        if accepts(name)
    }
    assert let_in == set()


def accepts(name: str) -> bool:
    try:
        clean_name(name)
    except ValidationError:
        return False
    return True


@pytest.mark.nodb
@pytest.mark.parametrize(
    "name", ["Zürich", "東京", "Ελλάδα", "مرحبا", "नमस्ते", "Rollout 🚀", "I ❤\ufe0f keys", "a–b", "O’Brien"]
)
def test_names_of_all_languages_are_welcome(name):
    assert clean_name(name) == name


SPOOFS = [
    "Pro\u200bduction",
    "\u202enoitcudorP",
    "Produc\u034ftion",
    "\u2066x\u2069",
    "Bell\x07",
    "\u3164",
    "\ufffd",
    "a\x00b",
]


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
@pytest.mark.parametrize("name", SPOOFS, ids=ascii)
def test_hidden_characters_are_refused_in_words_and_kept_in_the_field(path, name, client, project, api_key):
    """T26"""
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": name})
    assert answer.status_code == 422
    assert_error_beside_the_name(answer.content.decode(), "Use visible characters only", name)
    assert everything() == before


@pytest.mark.parametrize("name", SPOOFS[:2], ids=ascii)
def test_the_dialogs_answer_says_so_too(name, client, project, api_key):
    """T26: htmx gets the form alone, for the dialog that stays open."""
    answer = client.post(f"/projects/{project.public_id}/keys/new/", {"name": name}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#create-key-form"
    assert answer.content.decode().lstrip().startswith("<form")
    assert_error_beside_the_name(answer.content.decode(), "Use visible characters only", name)


@pytest.mark.parametrize("name", SPOOFS, ids=ascii)
def test_services_refuse_hidden_characters_whoever_calls_them(name, project, owner):
    """T26: commands and whatever comes later have no form in front."""
    with pytest.raises(ValidationError):
        create_key(project=project, name=name, by=owner)
    with pytest.raises(ValidationError):
        create_project(name=name, by=owner)


@pytest.mark.parametrize("path", ["/projects/new/", "{project}settings/", "{project}keys/new/"])
def test_a_secret_pasted_as_a_name_is_refused(path, client, project, api_key):
    """T4: it would be stored as it is, and shown to members who may not read secrets."""
    before = everything()
    answer = client.post(path.format(project=f"/projects/{project.public_id}/"), {"name": f"old {api_key.secret}"})
    assert answer.status_code == 422
    assert "This looks like an API key." in answer.content.decode()
    assert everything() == before


NAMES = st.text(
    st.one_of(st.characters(), st.sampled_from(HIDDEN), st.sampled_from(" \t\n\u00a0é\u0301\ufe0f❤")), max_size=70
)


@pytest.mark.nodb
@given(NAMES)
def test_a_cleaned_name_is_clean(name):
    """T26: cleaning again changes nothing, and nothing of it is hidden, blank or too long."""
    try:
        cleaned = clean_name(name)
    except ValidationError:
        return
    assert clean_name(cleaned) == cleaned
    assert 0 < len(cleaned) <= MAX_LENGTH
    assert cleaned == cleaned.strip()
    for before, character in zip(" " + cleaned, cleaned, strict=False):
        after_a_symbol = character == "\ufe0f" and unicodedata.category(before)[0] in "SNP"
        assert after_a_symbol or not is_hidden(character)


def test_names_that_differ_only_in_composition_are_one_name(client, project, owner, api_key):
    create_key(project=project, name="Z\u00fcrich", by=owner)
    answer = client.post(f"/projects/{project.public_id}/keys/new/", {"name": "Zu\u0308rich"})
    assert answer.status_code == 422
    assert "already has a key of that name" in answer.content.decode()


# Names: HTML

ATTACK = """<img src=x onerror=alert(1)>"'&<b>{{x}}</b>"""
assert len(ATTACK) <= MAX_LENGTH


class Elements(HTMLParser):
    """What a browser would make of a page, as far as an injection would show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "img" or any(name.startswith("on") for name, _ in attributes):
            self.found.append(f"<{tag} {attributes}>")


@pytest.fixture
def attacker(project, owner) -> ApiKey:
    """A key with the name ATTACK in a project of that name, which has a file of that name."""
    project.name = ATTACK
    project.save()
    FileFactory(project=project, name=ATTACK)
    key = create_key(project=project, name=ATTACK, by=owner)
    key.key.last_used_at = timezone.now()
    key.key.save()
    key.key.secret = key.secret  # type: ignore[attr-defined]
    return key.key


def assert_escaped(answer: Any, times: int = 1) -> None:
    page = answer.content.decode()
    assert Elements(page).found == []
    assert "<img" not in page
    assert page.count(html.escape(ATTACK)) + page.count(html.escape(ATTACK).replace("&#x27;", "&#39;")) >= times


# Each page that shows a name, with how often at least.
SHOWN = {
    "/projects/": 2,  # the switcher, the list
    "/projects/?q=" + quote(ATTACK): 3,  # and the search
    "{project}": 6,  # title, switcher, heading, key, Copy's description, file
    "{project}start/": 4,
    "{project}settings/": 10,  # title, row, aria-labels, dialogs, the name to be typed, rename form
    "{project}settings/?q=" + quote(ATTACK): 11,
    "{project}activity/": 3,
    "{project}usage/": 3,  # title, switcher, the list of keys
    "{project}usage/?key={id}": 4,
    "{project}delete/": 3,
    "{project}keys/new/": 2,
    "{key}delete/": 4,
}


@pytest.mark.parametrize("path", SHOWN)
def test_html_in_a_name_is_shown_as_text(path, client, attacker):
    """T26"""
    at = f"/projects/{attacker.project.public_id}/"
    answer = client.get(path.format(project=at, key=f"{at}keys/{attacker.public_id}/", id=attacker.public_id))
    assert answer.status_code == 200
    assert_escaped(answer, SHOWN[path])


def test_a_search_for_html_that_finds_nothing_is_shown_as_text(client, project, api_key):
    for path in ("/projects/", f"/projects/{project.public_id}/settings/"):
        assert_escaped(client.get(path, {"q": ATTACK}), 2)


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("action", ["pause", "resume", "delete", "copy", "reveal"])
def test_html_in_a_name_is_announced_as_text(action, htmx, client, attacker):
    """T26"""
    at = f"/projects/{attacker.project.public_id}/"
    answer = client.post(
        f"{at}keys/{attacker.public_id}/{action}/",
        {"confirmation": ATTACK},
        headers={"HX-Request": "true"} if htmx else {},
        follow=True,
    )
    assert answer.status_code == 200
    assert_escaped(answer)


def test_html_in_a_new_name_is_shown_as_text_wherever_it_is_typed(client, project, api_key):
    """T26: created, refused as taken, renamed, and in the name to be typed."""
    at = f"/projects/{project.public_id}/"
    assert_escaped(client.post(f"{at}keys/new/", {"name": ATTACK}, follow=True), 2)
    assert_escaped(client.post(f"{at}keys/new/", {"name": ATTACK}))
    assert_escaped(client.post(f"{at}settings/", {"name": ATTACK}, follow=True), 2)
    assert_escaped(client.post(f"{at}settings/", {"name": ATTACK * 2}))
    assert_escaped(client.post(f"{at}delete/", {"confirmation": ATTACK * 2}), 2)
    assert_escaped(client.post(f"{at}delete/", {"confirmation": ATTACK}, follow=True))
    assert_escaped(client.post("/projects/new/", {"name": ATTACK}, follow=True), 2)


def test_html_in_a_name_is_shown_as_text_in_the_admin(admin, signed_in, attacker):
    """T26"""
    client = signed_in(admin)
    project = attacker.project
    for path in (
        "apikeys/apikey/",
        f"apikeys/apikey/?q={quote(ATTACK[:20])}",
        f"apikeys/apikey/{attacker.pk}/change/",
        f"apikeys/apikey/{attacker.pk}/history/",
        "apikeys/keyevent/",
        f"apikeys/keyevent/{attacker.events.get().pk}/change/",
        "projects/project/",
        f"projects/project/{project.pk}/change/",
        f"projects/project/{project.pk}/delete/",
        "projects/membership/",
        "projects/file/",
    ):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert not any("alert(1)" in element for element in Elements(page).found), path
        assert "<img src=x" not in page, path
        assert "&lt;img src=x onerror=alert(1)&gt;" in page, path


def test_html_in_a_name_is_json_to_a_program(attacker):
    """T26: no browser takes the answer for a page."""
    for path in ("/api/v1/me", "/api/v1/files"):
        answer = Client().get(path, headers={"Authorization": f"Bearer {attacker.secret}"})
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert repr(ATTACK) in str(answer.json()["data"])


def test_both_databases_are_tested():
    """T25 is promised for both; `make test` runs this file twice."""
    from django.db import connection

    assert connection.vendor == ("sqlite" if ON_SQLITE else "postgresql")
