"""A secret that is pasted into the wrong field, or into an address, comes back in no answer and is stored nowhere."""

from html.parser import HTMLParser
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from apikeys.models import ApiKey
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory
from tests.support.people.accounts import PASSWORD
from tests.support.people.passkeys import add_passkey
from tests.support.places.pages import HTMX, action, page, text
from tests.support.places.routes import all_routes
from tests.support.stored.tables import everything

pytestmark = pytest.mark.nodb

KEPT = {"text", "email", "search", "url", "tel", "hidden", "datetime-local"}
UNSEEN = {"hidden", "password"}
PAGES = [route for route in all_routes() if not (route.is_admin or route.is_api)]


class Forms(HTMLParser):
    """The forms of a page: the address that each sends to, and the types and values of its fields."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, tuple[str, str]]]] = []
        self.is_open = False
        self.feed(answer.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_open = True
            self.found.append((named.get("action", ""), {}))
        elif self.is_open and tag in {"input", "textarea"} and "name" in named:
            is_off = named.get("type") in {"radio", "checkbox"} and "checked" not in named
            if not is_off and named["name"] != "csrfmiddlewaretoken":
                self.found[-1][1][named["name"]] = (named.get("type", "text"), named.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.is_open = False


def part_of(key: ApiKey) -> str:
    secret: str = key.secret  # type: ignore[attr-defined]
    return secret.partition("_")[2][:30]


def comes_back(answer: Any, key: ApiKey) -> bool:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return part_of(key) in f"{content.decode()} {answer.headers}"


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


@pytest.fixture
def passkey(owner) -> Authenticator:
    return add_passkey(owner)


def addresses(key: ApiKey, passkey: Authenticator) -> list[str]:
    """Every page, of the project and of the account."""
    ids = {"project_id": key.project.public_id, "key_id": key.public_id}
    return [route.path(**ids, **({"pk": passkey.pk} if "passkey_row" in route.pattern else {})) for route in PAGES]


def test_no_form_shows_or_stores_a_secret_that_is_pasted_into_it(client, api_key, passkey):
    """T4: every text field of every form of our pages and allauth's, also the hidden ones beside them."""
    tried = set()
    for browser in (client, Client()):
        for address in addresses(api_key, passkey):
            shown = browser.get(address)
            if shown.status_code != 200 or "text/html" not in shown["Content-Type"]:
                continue
            for to, fields in Forms(shown).found:
                kept = [name for name, (kind, _) in fields.items() if kind in KEPT]
                if all(fields[name][0] in UNSEEN for name in kept):
                    continue
                for name in kept:
                    is_email = fields[name][0] == "email"
                    pasted = f"{api_key.secret}@example.com" if is_email else f"old {api_key.secret}"
                    sent = {other: value for other, (_, value) in fields.items()} | {name: pasted}
                    answer = browser.post(to or address, sent)
                    assert not comes_back(answer, api_key), (to or address, name)
                    tried.add(name)
    assert {"name", "note", "confirmation", "end_at", "until", "email", "login"} <= tried
    assert part_of(api_key) not in repr(everything())


@pytest.mark.parametrize("query", ["page=1&q=a+«»&x=«»&«»=1", "next=/projects/?q=«»"])
def test_no_page_repeats_a_secret_of_its_address(client, api_key, passkey, query):
    """T30: also in links, in hidden fields, and in the address that a sign-in leads back to."""
    query = query.replace("«»", api_key.secret)
    for browser in (client, Client()):
        for address in addresses(api_key, passkey):
            answer = browser.get(f"{address}?{query}")
            assert not comes_back(answer, api_key), address


def test_a_list_of_two_pages_has_no_secret_in_its_links(client, owner, project, api_key):
    ApiKeyFactory.create_batch(11, project=project)
    for each in ProjectFactory.create_batch(21, created_by=owner):
        MembershipFactory(user=owner, project=each)
    for address in (page("apikeys:settings", project), reverse("projects:list")):
        answer = client.get(address, {"q": api_key.secret, "x": api_key.secret})
        assert 'rel="next"' in answer.content.decode()
        assert not comes_back(answer, api_key)
        assert "Nothing was searched, because this looks like an API key." in text(answer)
        assert 'aria-describedby="search-withheld"' in answer.content.decode()


def test_the_admin_says_why_it_searched_nothing(signed_in, admin, api_key):
    answer = signed_in(admin).get(reverse("admin:apikeys_apikey_changelist"), {"q": api_key.secret})
    assert answer.status_code == 200
    assert not comes_back(answer, api_key)
    assert "Nothing was searched" in text(answer)


def test_a_page_that_was_asked_with_a_secret_is_led_back_to_without_it(aged, api_key):
    """T4: the way back is stored in the session and sent to the browser."""
    before = page("apikeys:settings", api_key.project)
    referer = f"http://testserver{before}?q={api_key.secret}"
    answer = aged.post(action("delete", api_key), {"confirmation": "x"}, headers=HTMX | {"Referer": referer})
    assert not comes_back(answer, api_key)
    assert part_of(api_key) not in repr(dict(aged.session))


def test_the_error_stands_beside_the_empty_field(client, api_key, passkey):
    """A person sees why the field is empty."""
    pasted = f"old {api_key.secret}"
    for address, sent in (
        (reverse("projects:create"), {"name": pasted}),
        (page("apikeys:settings", api_key.project), {"name": pasted}),
        (action("edit", api_key), {"name": f"{pasted} {'x' * 80}"}),
        (action("pause_for", api_key), {"length": "1h", "note": f"{pasted}\u200b"}),
        (reverse("account_email"), {"email": f"{api_key.secret}@example.com", "action_add": "1"}),
        (reverse("mfa_edit_webauthn", args=[passkey.pk]), {"name": pasted}),
    ):
        answer = client.post(address, sent)
        assert "This looks like an API key." in text(answer), address
        shown = {(name, value) for _, form in Forms(answer).found for name, (_, value) in form.items()}
        (field,) = sent.keys() & {"name", "note", "email"}
        assert (field, "") in shown, address
        assert not comes_back(answer, api_key), address


def test_a_new_account_takes_no_secret_as_its_address(db, api_key):
    address = f"{api_key.secret}@example.com"
    sent = {"email": address, "password1": PASSWORD}
    for name in ("account_signup", "account_login", "account_reset_password"):
        answer = Client().post(reverse(name), sent | {"login": address, "password": PASSWORD})
        assert not comes_back(answer, api_key), name
    assert part_of(api_key) not in repr(everything())
