"""Links in emails come from BASE_URL. A Host header and forwarding headers of a client are never used."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from apikeys.keys import services
from tests.config.environment.test_settings import manage
from tests.support.environment import REPOSITORY
from tests.support.people.accounts import NEW_PASSWORD, PASSWORD, SIGN_UP, log_in
from tests.support.settings.production import production_environment

BASE_URL = "https://keys.example.com"
HOSTILE = {"Host": "testserver:6666", "X-Forwarded-Host": "evil.example:7777", "X-Forwarded-Port": "8888"}


@pytest.fixture
def browser(settings):
    settings.BASE_URL = BASE_URL
    return Client(headers=HOSTILE)


def emails_for(person, browser, settings):
    """One email of every kind that has a link or names the server."""
    reset = reverse("account_reset_password")
    browser.post(SIGN_UP, {"email": person.email, "password1": NEW_PASSWORD})
    for address in ("nobody@example.com", person.email):
        browser.post(reset, {"email": address})
    log_in(browser, person)
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    browser.post(reverse("account_change_password"), {"oldpassword": PASSWORD, **new})
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = False
    browser.post(reverse("account_email"), {"email": "new@example.com", "action_add": "1"})
    return list(mail.outbox)


def test_emails_name_base_url_whatever_host_a_client_sends(person, browser, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sent = emails_for(person, browser, settings)
    assert len(sent) >= 5
    for message in sent:
        text = f"{message.subject} {message.body} {message.extra_headers}"
        assert not re.search(r"6666|7777|8888|testserver|evil", text), text
        assert "Latchkey at keys.example.com" in message.body
        assert {link[: len(BASE_URL) + 1] for link in re.findall(r"https?://\S+", text)} <= {f"{BASE_URL}/"}
    links = re.findall(r"https?://\S+", " ".join(message.body for message in sent))
    assert len(links) >= 3, "sign-up of an address that is taken, an unknown account, a new address"


def test_a_link_from_an_email_leads_to_a_page(person, browser, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    links = re.findall(rf"{BASE_URL}(/\S+)", " ".join(m.body for m in emails_for(person, browser, settings)))
    pages = [Client().get(link, follow=True) for link in links]
    assert {page.status_code for page in pages} == {200}
    led_to_sign_in = [link for link, page in zip(links, pages, strict=True) if page.redirect_chain]
    assert set(led_to_sign_in) <= {reverse("usersessions_list")}, "only that page needs a sign-in"
    assert not EmailAddress.objects.filter(email="new@example.com", verified=True).exists()


def test_owners_emails_name_base_url(project, owner, settings, told):
    settings.BASE_URL = BASE_URL
    [message] = told(services.create_key, project=project, name="Server", by=owner)
    assert re.findall(r"https?://[^/\s]+", message.body) == [BASE_URL] * 2


@pytest.mark.nodb
@pytest.mark.parametrize(("name", "shown"), [("BASE_URL", "https://keys.example.com/api/v1"), ("API_URL", BASE_URL)])
def test_snippets_of_a_production_name_base_url(tmp_path, name, shown):
    environment = {**production_environment(), name: BASE_URL}
    words = "from django.conf import settings; print(settings.API_URL)"
    assert manage(tmp_path, "shell", "--no-imports", "-c", words, **environment).stdout.strip() == shown


@pytest.mark.nodb
def test_nothing_else_of_ours_makes_addresses_from_the_host_header():
    """Snippets are for the person who asks. They use the Host header only if neither API_URL nor BASE_URL is set."""
    found = set()
    for folder in ("accounts", "apikeys", "config", "projects", "common"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            if re.search(r"build_absolute_uri|get_current_site|USE_X_FORWARDED_HOST", path.read_text()):
                found.add(str(path.relative_to(REPOSITORY)))
    assert found == {"accounts/adapter.py", "apikeys/pages/snippets.py"}
