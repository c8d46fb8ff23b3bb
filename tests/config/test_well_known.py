"""Addresses below /.well-known/, and our two headers on every answer."""

import re
from datetime import timedelta

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.environment.given_addresses import contacts
from tests.support.factories import FileFactory

pytestmark = pytest.mark.nodb

SECURITY, PASSWORD = "/.well-known/security.txt", "/.well-known/change-password"


def test_security_txt_has_contacts_and_an_expiry(settings):
    """RFC 9116: the contacts in the order of preference, and an expiry in less than a year."""
    settings.SECURITY_CONTACT = ["mailto:security@example.com", "https://example.com/report"]
    settings.BASE_URL = "https://keys.example.com"
    answer = Client().get(SECURITY)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = re.findall(r"^([A-Z][A-Za-z-]+): (.+)$", answer.content.decode(), re.M)
    assert answer.content.decode() == "".join(f"{name}: {value}\n" for name, value in fields)
    assert [value for name, value in fields if name == "Contact"] == settings.SECURITY_CONTACT
    assert ("Canonical", f"https://keys.example.com{SECURITY}") in fields
    [expires] = [parse_datetime(value) for name, value in fields if name == "Expires"]
    assert expires
    assert timezone.now() + timedelta(days=88) < expires < timezone.now() + timedelta(days=365)


def test_without_a_contact_there_is_no_security_txt(settings):
    settings.SECURITY_CONTACT = []
    assert Client().get(SECURITY).status_code == 404


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", []),
        ("security@example.com", ["mailto:security@example.com"]),
        ("mailto:a@example.com, https://example.com/x", ["mailto:a@example.com", "https://example.com/x"]),
        ("tel:+1-201-555-0123", ["tel:+1-201-555-0123"]),
    ],
)
def test_a_contact_is_an_email_address_a_web_address_or_a_number(given, read, monkeypatch):
    monkeypatch.setenv("SECURITY_CONTACT", given)
    assert contacts("SECURITY_CONTACT") == read


@pytest.mark.parametrize(
    "given", ["ask us", "http://example.com", "tel:112 or so", "a@b\nEvil: x", "mailto:", "security"]
)
def test_an_invalid_contact_is_rejected_with_the_settings_name(given, monkeypatch):
    monkeypatch.setenv("SECURITY_CONTACT", given)
    with pytest.raises(ImproperlyConfigured, match=r"^SECURITY_CONTACT: "):
        contacts("SECURITY_CONTACT")


def test_password_managers_find_the_page_that_changes_a_password(db, inside):
    """W3C: the address redirects to the page. Password managers also check that an unknown address answers 404."""
    answer = inside.get(PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/password/change/")
    assert inside.get(answer.headers["Location"]).status_code == 200
    assert (
        Client().get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").status_code
        == 404
    )


def test_no_answer_may_be_embedded_or_use_what_no_page_needs(client, inside, project, authorization, settings):
    """This holds for pages, errors, static files, API calls and downloads."""
    file = FileFactory(project=project)
    answers = [inside.get(path) for path in ("/help/", "/projects/", "/nowhere", "/admin/", "/accounts/login/")]
    answers += [client.get(path, headers=authorization) for path in ("/api/v1/me", "/api/v1/files", "/api/v1/nowhere")]
    answers += [client.get(f"/api/v1/files/{file.public_id}/content", headers=authorization)]
    answers += [client.get(staticfiles_storage.url("favicon.svg")), client.post("/help/"), client.get(PASSWORD)]
    assert {answer.status_code for answer in answers} == {200, 302, 404, 405}
    for answer in answers:
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        answer.close()
    pages = [answer for answer in answers if answer.headers["Content-Type"].startswith("text/html")]
    assert len(pages) >= 5
    for answer in pages:
        features = answer.headers["Permissions-Policy"].split(", ")
        assert {"camera=()", "microphone=()", "geolocation=()", "payment=()"} <= set(features)
        assert not [feature for feature in features if feature.startswith(("clipboard", "publickey"))]
