"""`createuser` prepares an account; its link sets the first password, once, and leaves no trace in the log."""

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sign_up import first_password
from tests.support.people.accounts import NEW_PASSWORD, PASSWORD, log_in, new_person
from tests.support.places.pages import text

pytestmark = pytest.mark.nodb

PAGE = reverse("account_first_password")
FORM = {"password1": PASSWORD, "password2": PASSWORD}
ENDED = "This link doesn't work any more"


def createuser(*arguments: str) -> Any:
    out = StringIO()
    call_command("createuser", *arguments, stdout=out)
    return json.loads(out.getvalue()) if "--json" in arguments else out.getvalue()


def opened(link: str, settings: Any) -> Client:
    client = Client()
    answer = client.get(link.removeprefix(settings.BASE_URL))
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    return client


@pytest.fixture
def prepared(db) -> dict[str, Any]:
    answer: dict[str, Any] = createuser("Grace@Example.com", "--name", "Grace Hopper", "--json")
    return answer


def test_the_link_sets_the_password_once(prepared, settings):
    user = User.objects.get(email="grace@example.com")
    assert (prepared["id"], prepared["name"], user.has_usable_password()) == (user.public_id, "Grace Hopper", False)
    first, second = (opened(prepared["link"], settings) for _ in range(2))
    assert "An account is ready for grace@example.com" in text(first.get(PAGE))
    assert "grace@example.com is set" in text(first.post(PAGE, FORM, follow=True))
    assert ENDED in text(second.get(PAGE))
    assert ENDED in text(second.post(PAGE, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}))
    assert ENDED in text(opened(prepared["link"], settings).get(PAGE))
    assert log_in(Client(), user).status_code == 302
    assert not EmailAddress.objects.get(user=user).verified, "opening the link confirms no address"


def test_two_who_send_the_form_of_one_link_at_once_set_one_password(prepared):
    one, other = (User.objects.get(public_id=prepared["id"]) for _ in range(2))
    assert first_password._set_if_unused(one, PASSWORD)
    assert not first_password._set_if_unused(other, NEW_PASSWORD)
    assert User.objects.get().check_password(PASSWORD)


def test_a_bad_password_leaves_the_link_working(prepared, settings):
    client = opened(prepared["link"], settings)
    assert "Sign in with it" not in text(client.post(PAGE, {"password1": "password12", "password2": "password12"}))
    assert "Sign in with it" in text(client.post(PAGE, FORM, follow=True))


def test_the_link_ends_with_time_a_change_of_the_account_and_its_deactivation(prepared, settings, monkeypatch):
    assert datetime.fromisoformat(prepared["expires_at"]) - timezone.now() <= timedelta(days=3)
    client, rows = opened(prepared["link"], settings), User.objects.filter(public_id=prepared["id"])
    before = rows.values().get()
    for change in ({"is_active": False}, {"email": "other@example.com"}, {"last_login": timezone.now()}):
        rows.update(**change)
        assert ENDED in text(client.get(PAGE)), change
        rows.update(**{name: before[name] for name in change})
    assert "An account is ready" in text(client.get(PAGE))
    later = datetime.now() + timedelta(days=3, seconds=1)
    monkeypatch.setattr(first_password._tokens, "_now", lambda: later)
    assert ENDED in text(client.get(PAGE))


def test_a_guessed_link_and_none_are_answered_alike(prepared, settings):
    other = new_person()
    for link in (
        prepared["link"][:-1] + ("0" if prepared["link"][-1] != "0" else "1"),
        prepared["link"].replace(prepared["id"], other.public_id),
        f"{PAGE}?account={prepared['id']}&token=",
        f"{PAGE}?token=x",
    ):
        assert ENDED in text(opened(link, settings).post(PAGE, FORM))
    assert ENDED in text(Client().get(PAGE))


def test_the_token_is_in_no_log_line(prepared, settings, lines):
    client = opened(prepared["link"], settings)
    client.post(PAGE, FORM)
    token = prepared["link"].rpartition("-")[2]
    assert PAGE in lines.getvalue()
    assert token not in lines.getvalue()
    assert token[8:-8] not in lines.getvalue()


def test_confirmed_confirms_the_address_and_the_command_says_which(db):
    assert "is not confirmed: opening the link does not confirm it" in createuser("a@example.com")
    assert "Its address is confirmed." in createuser("b@example.com", "--confirmed")
    assert list(EmailAddress.objects.filter(verified=True).values_list("email", flat=True)) == ["b@example.com"]


def test_an_account_that_nobody_used_gets_another_link_and_any_other_is_an_error(prepared, settings):
    again = createuser("grace@example.com", "--json")
    assert (again["created"], again["id"], again["name"]) == (False, prepared["id"], "Grace Hopper")
    opened(again["link"], settings).post(PAGE, FORM)
    assert ENDED in text(opened(prepared["link"], settings).get(PAGE))
    for address, words in (
        ("GRACE@example.com", f"{prepared['id']} has the address"),
        ("nobody", "valid email address"),
    ):
        with pytest.raises(CommandError, match=words):
            createuser(address)
    with pytest.raises(CommandError, match="invisible characters"):
        createuser("c@example.com", "--name", "Eve\u200b")
    assert User.objects.count() == 1


def test_where_people_sign_in_at_a_provider_the_command_prints_the_sign_in_page(db, settings):
    settings.SIGN_IN = ["oidc"]
    answer = createuser("grace@example.com", "--json")
    assert (answer["link"], answer["expires_at"]) == (f"{settings.BASE_URL}/accounts/login/", None)
    assert "The first sign-in asks for an emailed code." in createuser("grace@example.com")


def test_where_people_sign_in_at_a_provider_the_command_says_how_an_old_account_is_connected(person, settings):
    settings.SIGN_IN = ["oidc"]
    with pytest.raises(CommandError, match="set OIDC_TRUST_EMAIL=true, or set SIGN_IN=password,oidc until"):
        createuser(person.email)
