"""An account of a superuser or of staff is never opened, connected or cleared by an address alone."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.urls import reverse

from accounts.models import User
from accounts.unconfirmed import confirm_and_clear
from common.outbox import senders
from tests.support.people.accounts import PASSWORD, is_signed_in, mailed_code
from tests.support.people.lying_provider import sign_in
from tests.support.places.pages import text

pytestmark = pytest.mark.django_db

RIGHTS = [{"is_superuser": True}, {"is_staff": True}]
EACH = pytest.mark.parametrize("rights", RIGHTS, ids=["superuser", "staff"])
CODE = reverse("account_email_verification_sent")


@EACH
@pytest.mark.parametrize("is_confirmed", [True, False])
@pytest.mark.parametrize("ways", [["oidc"], ["password", "oidc"]], ids=["oidc", "both"])
def test_a_trusted_address_opens_no_administrators_account(
    client, trusted, settings, person, rights, is_confirmed, ways
):
    settings.SIGN_IN = ways
    User.objects.update(**rights)
    EmailAddress.objects.update(verified=is_confirmed)
    answer = sign_in(client, trusted, email=person.email)
    assert answer.status_code == 403
    assert "an email alone never opens one. Sign in with its password." in text(answer)
    assert ("Sign in as an administrator" in text(answer)) == (ways == ["oidc"])
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


@EACH
def test_a_code_opens_no_unused_administrators_account(client, provider, confirmed_by_code, person, rights):
    User.objects.update(last_login=None, password="!", **rights)
    EmailAddress.objects.update(verified=False)
    assert sign_in(client, provider, email=person.email).status_code == 403
    assert not mail.outbox


@EACH
def test_an_account_that_becomes_an_administrators_meanwhile_is_not_opened_by_the_code(
    client, provider, confirmed_by_code, person, rights
):
    EmailAddress.objects.update(verified=False)
    assert sign_in(client, provider, email=person.email)["Location"] == CODE
    User.objects.update(**rights)
    senders.send_due()
    assert client.post(CODE, {"code": mailed_code()})["Location"] == reverse("account_login")
    assert not is_signed_in(client)
    assert client.get(CODE).status_code == 302, "nothing waits for a code any more"
    assert not SocialAccount.objects.exists()
    assert not EmailAddress.objects.get().verified


@EACH
def test_an_administrators_account_is_confirmed_and_keeps_everything(person, rights):
    """The kind: an emailed reset, link or invitation clears it as little as the provider does."""
    User.objects.update(name="Ada", **rights)
    EmailAddress.objects.update(verified=False)
    person.refresh_from_db()
    assert confirm_and_clear(person) == []
    person.refresh_from_db()
    assert (person.check_password(PASSWORD), person.name) == (True, "Ada")
    assert EmailAddress.objects.get().verified


def test_the_refusal_tells_nobody_else_that_the_account_is_an_administrators(client, provider, person):
    """The provider has not said that the address is the person's."""
    words = []
    for is_staff in (True, False):
        User.objects.update(is_staff=is_staff)
        words.append(text(sign_in(client, provider, email=person.email)))
    assert words[0] == words[1]
