"""Commands that ask for a password, and whatever somebody types after a command."""

import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.own_account.deletion import delete_account
from tests.support.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("command", "said"), [("changepassword", "Nobody typed a password"), ("createsuperuser", "there is no terminal")]
)
def test_a_command_that_asks_for_a_password_fails_in_words_without_a_terminal(command, said, owner, monkeypatch):
    """The standard input is at its end, as in a container or a scheduled job."""

    def at_its_end(prompt="", stream=None):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", at_its_end)
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(CommandError, match=said):
        call_command(command, *([owner.email] if command == "changepassword" else []), stdout=StringIO())
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    assert not User.objects.filter(is_superuser=True).exists()


def test_changepassword_takes_no_deleted_account():
    user = UserFactory()
    delete_account(user=user)
    with pytest.raises(CommandError, match=f"The account {user.public_id} was deleted by its person"):
        call_command("changepassword", user.public_id)


HIDDEN = "a\u202eb\x1b[31m"


@pytest.mark.parametrize(
    "words",
    [
        ["invite", "{project}", HIDDEN],
        ["invite", "{project}", "a@b.example", "--role", HIDDEN],
        ["invite", HIDDEN, "a@b.example"],
        ["setrole", "{project}", HIDDEN, "viewer"],
        ["removemember", "{project}", HIDDEN],
        ["createuser", HIDDEN],
        ["createuser", "a@b.example", "--name", HIDDEN],
        ["createproject", HIDDEN, "--owner", "{owner}"],
        ["createproject", "Name", "--owner", HIDDEN],
        ["createkey", "{project}", "--name", HIDDEN],
        ["createkey", "{project}", "--name", "Key", "--expires", HIDDEN],
        ["listkeys", HIDDEN],
        ["handover", HIDDEN, "--to", "{owner}"],
        ["changepassword", HIDDEN],
    ],
    ids=" ".join,
)
def test_no_command_prints_what_a_terminal_would_obey(words, project, owner):
    words = [word.replace("{project}", project.public_id).replace("{owner}", owner.email) for word in words]
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*words, stdout=out)
    said = str(caught.value) + out.getvalue()
    assert [one for one in said if not one.isprintable() and one != "\n"] == []
