"""With SIGN_IN=oidc, nothing that a customer reads speaks of passwords, and no link leads to a page that is closed."""

import re
import time
from html import unescape
from pathlib import Path

import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings as current_settings
from django.core import mail
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse

from accounts import ways
from accounts.models import User
from accounts.sign_in.forms import AddWebAuthnForm
from accounts.sign_up.first_password import prepare_account
from apikeys.hand_over import removal_emails
from apikeys.keys import receivers
from apikeys.keys.services import create_key
from apikeys.responsible import cleared, deactivated
from config.management.commands.serve import _next_step
from projects.audit_log.kinds import Email, all_kinds
from projects.audit_log.owner_emails import _written
from projects.permissions import Role
from tests.support.factories import MembershipFactory, ProjectFactory
from tests.support.people.lying_provider import sign_in
from tests.support.people.sessions import log_in
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

TEMPLATES = Path(str(current_settings.BASE_DIR)) / "templates"
ADDRESS = re.compile(r'(?:href|action|hx-get)="(/[^"#]*)')
SCRIPTS = re.compile(r"<script.*?</script>", re.DOTALL)
# Emails of the pages for passwords, which are closed.
OF_PASSWORDS = re.compile(r"/password_|/unknown_account|/account_already_exists|/account_deleted|_signup$")


@pytest.fixture
def only_provider(provider, settings, monkeypatch):
    settings.SIGN_IN = ["oidc"]
    # allauth makes the form when the server starts, and has read the settings then.
    settings.MFA_PASSKEY_LOGIN_ENABLED = False
    monkeypatch.delitem(AddWebAuthnForm.base_fields, "passwordless")
    return provider


@pytest.fixture
def customer(client, only_provider) -> User:
    """The owner of a project with a key and another member, with second factors."""
    sign_in(client, only_provider, subject="carol", email="carol@example.com", auth_time=int(time.time()))
    user: User = User.objects.get()
    EmailAddress.objects.update(verified=True)
    project = ProjectFactory(name="Weather", created_by=user)
    MembershipFactory(user=user, project=project, role=Role.OWNER)
    other, _ = prepare_account(email="other@example.com")
    MembershipFactory(user=other, project=project, role=Role.VIEWER)
    create_key(project=project, name="Billing", by=user)
    return user


def read(answer) -> str:
    """The page's words, without those of scripts, which nobody reads."""
    return text(HttpResponse(SCRIPTS.sub("", answer.content.decode())))


def walk(client, start: list[str]) -> dict[str, str]:
    """The text of every page to which links lead, by its address."""
    found, waiting = {}, list(start)
    while waiting:
        address = waiting.pop()
        if address in found or re.search(r"^/(static|admin)/|logout|/secret|\.(csv|txt|svg|css)|[?&]", address):
            continue
        answer = client.get(address, follow=True)
        assert answer.status_code in {200, 405}, f"{address}: {answer.status_code}"
        found[address] = read(answer) if "html" in answer["Content-Type"] else ""
        waiting += map(unescape, ADDRESS.findall(answer.content.decode()) if found[address] else [])
    return found


def assert_without_passwords(pages: dict[str, str]) -> None:
    """Names each place by the words around it."""
    found = {address: re.findall(r".{0,30}password.{0,20}", words, re.I) for address, words in pages.items()}
    assert not {address: words for address, words in found.items() if words}


STARTS = ["/", "/projects/", "/help/", reverse("mfa_index"), reverse("account_delete"), reverse("account_email")]


@pytest.mark.parametrize("has_factors", [True, False])
def test_no_page_of_a_customer_speaks_of_passwords_and_no_link_is_404(client, customer, has_factors):
    if has_factors:
        TOTP.activate(customer, generate_totp_secret())
        RecoveryCodes.activate(customer)
        log_in(client, customer)
    pages = walk(client, [*STARTS, *([reverse("mfa_generate_recovery_codes")] if has_factors else [])])
    assert len(pages) > 25
    assert_without_passwords(pages)
    assert "your Acme account" in pages[reverse("mfa_index")]


def test_no_page_of_a_visitor_speaks_of_passwords_and_no_link_is_404(client, only_provider, settings):
    for settings.SIGN_UP in ("open", "invited", "closed"):
        pages = walk(client, ["/", "/help/", reverse("account_login"), "/.well-known/security.txt"][:3])
        assert len(pages) >= 3
        assert_without_passwords(pages)


def emails_of_accounts() -> set[str]:
    """The templates of emails about accounts."""
    names = set()
    for path in TEMPLATES.glob("*/email/*_subject.txt"):
        names.add(str(path.relative_to(TEMPLATES)).removesuffix("_subject.txt"))
    return {name for name in names if not OF_PASSWORDS.search(name)}


def test_no_email_to_a_customer_speaks_of_passwords_and_no_link_is_404(client, customer):
    request = RequestFactory().get("/")
    request.user = customer
    given = {"provider_name": "Acme", "code": "AAAA-BBBB", "to_email": "new@example.com"}
    names = emails_of_accounts()
    assert len(names) >= 8
    for name in names:
        with context.request_context(request):
            get_adapter().send_notification_mail(name, customer, given)
    project = customer.memberships.get().project
    for words in emails_about_projects():
        subject, body = _written({project.public_id: project.name}, words, "Billing", [])
        mail.outbox.append(mail.EmailMessage(subject, body))
    assert len(mail.outbox) > 30
    for email in mail.outbox:
        assert "password" not in f"{email.subject} {email.body}".lower(), email.body
        assert "{" not in email.body, email.body
        for address in re.findall(rf"{re.escape(current_settings.BASE_URL)}(/\S+)", email.body):
            assert client.get(address.partition("#")[0], follow=True).status_code == 200, address


def emails_about_projects() -> list[Email]:
    found = [kind.email for kind in all_kinds() if kind.email]
    found += [email._replace(advice=email.to_member) for email in found if email.to_member]
    modules = (receivers, cleared, deactivated, removal_emails)
    more = [value for module in modules for value in vars(module).values()]
    return found + [value for value in more if isinstance(value, Email)]


def test_an_administrator_reads_where_to_replace_the_password(client, only_provider, admin):
    log_in(client, admin)
    request = RequestFactory().get("/")
    request.user = admin
    with context.request_context(request):
        get_adapter().send_notification_mail("mfa/email/totp_activated", admin)
    address = f"{reverse('account_change_password')}"
    assert f"replace your password at once:\n{current_settings.BASE_URL}{address}" in mail.outbox[-1].body
    pages = walk(client, [address, reverse("mfa_index"), "/.well-known/change-password", "/accounts/reauthenticate/"])
    assert "Even with your password" in pages[reverse("mfa_index")] or "anyone with your" in pages[reverse("mfa_index")]


@pytest.mark.parametrize(
    ("sign_in_by", "sign_up", "words"),
    [
        (["password"], "open", "create an account at https://x.test/accounts/signup/"),
        (["password", "oidc"], "invited", "createuser EMAIL"),
        (["oidc"], "open", "sign in at https://x.test/accounts/login/"),
        (["oidc"], "closed", "createuser EMAIL"),
    ],
)
def test_the_first_line_of_the_server_names_a_page_that_is_open(settings, sign_in_by, sign_up, words):
    settings.SIGN_IN, settings.SIGN_UP = sign_in_by, sign_up
    assert _next_step("https://x.test").endswith(words)


def test_where_people_have_passwords_the_words_are_about_passwords(settings):
    settings.SIGN_IN = ["password", "oidc"]
    assert ways.in_words("Now {secure_account}.") == "Now change your password."
    settings.SIGN_IN, settings.OIDC_NAME = ["oidc"], "Acme"
    assert ways.in_words("Now {secure_account}.") == "Now secure your Acme account."


def test_a_subject_has_the_name_of_the_provider_as_it_is(only_provider, settings, person):
    settings.OIDC_NAME = "R&D <O'Neill>"
    request = RequestFactory().get("/")
    request.user = person
    for name in ("connected", "disconnected"):
        with context.request_context(request):
            mail_context = {"provider_name": settings.OIDC_NAME}
            get_adapter().send_notification_mail(f"socialaccount/email/account_{name}", person, mail_context)
        assert mail.outbox[-1].subject.endswith("R&D <O'Neill>")
        assert "R&D <O'Neill>" in mail.outbox[-1].body


def test_no_email_escapes_what_it_names():
    """Text is no HTML: every template of an email switches the escaping off, the subject too."""
    emails = [path for path in TEMPLATES.rglob("*.txt") if "messages" not in path.parts and "{{" in path.read_text()]
    assert len(emails) > 10
    assert not [path.name for path in emails if "{% autoescape off %}" not in path.read_text()]
