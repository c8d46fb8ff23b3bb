"""The OpenAPI document describes everything that the API does, and the reference page shows the document."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from config.api import api
from tests.support.calls.api_client import API, downloaded
from tests.support.calls.openapi import DOCUMENT, document_of, operations
from tests.support.places.routes import all_routes

pytestmark = pytest.mark.django_db

PAGE = f"{API}/docs"


@pytest.fixture
def document(client) -> dict[str, Any]:
    return document_of(client)


OTHER_SECURITY: dict[str, Any] = {"reportLeak": None, "reportLeaksFromGithub": [{"GithubSignature": []}]}


# The document


def test_it_is_openapi_3_1_and_public(document):
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Latchkey API"
    scheme = document["components"]["securitySchemes"]["ApiKeyAuth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_every_call_that_the_server_answers_is_in_it_and_nothing_else(client, document):
    documented: dict[str, set[str]] = {}
    for path, method, _ in operations(document):
        documented.setdefault(path, set()).add(method)
    answered = {}
    for route in all_routes():
        path = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route.pattern)
        if not route.is_api or path in {DOCUMENT, PAGE}:
            continue
        if path.startswith(f"{API}/verify"):
            answered[f"{API}/verify"] = {"GET"}  # it accepts any method and any path below it, and is described once
            continue
        allowed = client.options(route.path())["Allow"].split(", ")
        answered[path] = set(allowed) - {"HEAD", "OPTIONS"}
    assert documented == answered


def test_every_call_has_an_id_words_and_the_key_as_its_security_but_reports(document):
    ids = [operation["operationId"] for *_, operation in operations(document)]
    assert len(ids) == len(set(ids)) == 9
    for *_, operation in operations(document):
        call = operation["operationId"]
        assert operation.get("security") == OTHER_SECURITY.get(call, [{"ApiKeyAuth": []}])
        assert operation["description"]
        always = {"503"} if call in OTHER_SECURITY else {"401", "403", "503"}
        assert always <= set(operation["responses"])
        assert all(answer["description"] for answer in operation["responses"].values())


def test_every_reference_leads_somewhere(document):
    for name in set(re.findall(r"#/components/schemas/(\w+)", str(document))):
        assert name in document["components"]["schemas"]


def test_every_refusal_is_described_as_the_one_error_shape(document):
    for *_, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_the_bounds_and_defaults_of_paging_are_in_it(document):
    parameters = {p["name"]: p for p in document["paths"][f"{API}/files"]["get"]["parameters"]}
    bounds = {
        name: (p["schema"]["minimum"], p["schema"]["maximum"], p["schema"]["default"], p["required"])
        for name, p in parameters.items()
    }
    assert bounds == {"page": (1, 1_000_000_000, 1, False), "limit": (1, 100, 20, False)}


def test_the_page_says_the_bounds_of_paging_once(client):
    html = " ".join(client.get(PAGE).content.decode().split())
    assert "> The page&#x27;s number. <code>1–1,000,000,000</code> (default 1) <" in html
    assert "> The most files a page holds. <code>1–100</code> (default 20) <" in html


# The reference page


class Loaded(HTMLParser):
    """The addresses that a page loads or links to, and its inline code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        addresses = ("src", "href", "srcset", "action", "poster", "data", "formaction")
        self.addresses += [value for name, value in attrs if name in addresses and value]
        if tag == "style" or "style" in named or (tag == "script" and "src" not in named):
            self.inline.append(self.get_starttag_text() or tag)


def test_the_page_shows_every_call_with_its_answers_and_is_public(client, document):
    response = client.get(PAGE)
    assert response.status_code == 200
    html = response.content.decode()
    for path, method, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in html
        assert f"{method} {path}" in html
        for status in operation["responses"]:
            assert f"<code>{status}</code>" in html


def body_of(html: str, call: str) -> str:
    """The page's text about a call's body, or ""."""
    section = html.partition(f'<h2 id="{call}">')[2].partition("</section>")[0]
    found = re.search(r"<p>\s*Body: (.*?)</p>", section, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split()) if found else ""


def test_the_page_shows_the_bodies_of_the_document_and_no_others(client, document):
    html = client.get(PAGE).content.decode()
    bodies = {
        operation["operationId"]: body_of(html, operation["operationId"]) for *_, operation in operations(document)
    }
    assert {call: body for call, body in bodies.items() if body} == {
        "uploadFile": "multipart/form-data with file.",
        "reportLeak": "application/json with secret, source (may be left out).",
        "reportLeaksFromGithub": "application/json, a list of objects with token, url (may be left out).",
    }
    for *_, operation in operations(document):
        assert bool(bodies[operation["operationId"]]) == ("requestBody" in operation)


def test_a_new_operation_is_shown_with_its_own_body(client, monkeypatch):
    """The page works for operations that it was not written for."""
    schema = {"type": "object", "required": ["colour"], "properties": {"colour": {"type": "string"}, "shade": {}}}
    answers = {"200": {"description": "Done."}}
    new = {"operationId": "paint", "description": "Paints.", "responses": answers}
    new["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    monkeypatch.setitem(api._document["paths"], "/api/v1/paint", {"post": new})
    html = client.get(PAGE).content.decode()
    assert body_of(html, "paint") == "application/json with colour, shade (may be left out)."
    monkeypatch.setitem(new, "requestBody", {"content": {"text/plain": {}}})
    assert body_of(client.get(PAGE).content.decode(), "paint") == "text/plain."


def test_the_page_loads_nothing_from_elsewhere(client):
    response = client.get(PAGE)
    page = Loaded(response.content.decode())
    assert page.addresses
    assert not [address for address in page.addresses if re.match(r"(?i)\s*([a-z][a-z0-9+.-]*:|//)", address)]
    assert not [line for line in page.inline if 'type="application/json"' not in line]
    assert "unsafe" not in response["Content-Security-Policy"]


def test_everything_that_the_page_loads_exists(client):
    for address in Loaded(client.get(PAGE).content.decode()).addresses:
        if address.startswith("/static/"):
            with downloaded(client.get(address)) as response:
                assert response.status_code == 200
