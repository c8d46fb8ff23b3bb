"""Addresses stored before they had a canonical form, or by an earlier release. Nobody loses an account."""

from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import get_hasher
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import address_clashes
from accounts.addresses import canonical_or_none
from accounts.models import User
from tests.apikeys.keys.test_commands import run, run_json
from tests.support.factories import hash_of
from tests.support.people.accounts import LOGIN, SIGN_UP, log_in, mailed_code, page_of

DOMAIN, PUNYCODE = "m\u00fcller.test", "xn--mller-kva.test"
RESET, RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")


class Old(NamedTuple):
    """An account as the previous release wrote it, and its age in days."""

    email: str
    days: int = 10
    confirmed: bool = True

    @property
    def password(self):
        return f"the password of {self.email}"


# Each clash begins with the account that keeps the address.
CLASHES = [
    [Old(f"ada@{DOMAIN}", days=20), Old(f"ada@{PUNYCODE}", confirmed=False)],
    [Old(f"eve@{DOMAIN}"), Old(f"eve@{PUNYCODE}", days=20, confirmed=False)],
    [Old(f"fay@{PUNYCODE}", days=20), Old(f"fay@{DOMAIN}")],
    [Old(f"gus@{DOMAIN}", days=20, confirmed=False), Old(f"gus@{PUNYCODE}", confirmed=False)],
    [Old("ida@\uff43orp.test", days=20), Old("ida@corp.test"), Old("ida@cor\uff50.test", confirmed=False)],
]
ALONE = [Old(f"hal@{DOMAIN}"), Old("zoe@corp.test"), Old("boss@corp.test")]
REFUSED = [Old("bo\u017f\u017f@corp.test", confirmed=False), Old("k\u0131m@corp.test")]
ACCOUNTS = [*(account for clash in CLASHES for account in clash), *ALONE, *REFUSED]


def settle():
    return address_clashes.settle(User, EmailAddress)


def write(account):
    joined = timezone.now() - timedelta(days=account.days)
    password = hash_of(account.password, get_hasher().algorithm)
    user = User.objects.create(email=account.email, password=password, date_joined=joined)
    EmailAddress.objects.create(user=user, email=account.email, verified=account.confirmed, primary=True)
    return user


@pytest.fixture
def before(transactional_db):
    """The accounts as an earlier release wrote them."""
    for account in ACCOUNTS:
        write(account)
    EmailAddress.objects.create(user=User.objects.get(email="zoe@corp.test"), email=f"zoe@{DOMAIN}")


def whom(typed, password):
    """The account that the address and the password open, or None."""
    cache.clear()
    client = Client()
    assert client.post(LOGIN, {"login": typed, "password": password}).status_code in {200, 302}
    pk = client.session.get("_auth_user_id")
    return pk and User.objects.get(pk=pk)


def owner_of(account):
    """The row of the account, whatever its address is now."""
    return next(user for user in User.objects.all() if user.check_password(account.password))


def test_existing_rows_are_settled_and_nobody_is_locked_out(before):
    """T43: the confirmed, older account keeps the address. The others keep everything else and can still sign in."""
    settle()
    for keeper, *others in CLASHES:
        kept = owner_of(keeper)
        assert kept.email == canonical_or_none(keeper.email)
        for spelling in {kept.email, keeper.email, *(other.email for other in others)}:
            assert whom(spelling, keeper.password) == kept
            assert User.objects.having(spelling) == kept
        for other in others:
            assert whom(other.email, other.password) == owner_of(other) != kept
            assert owner_of(other).email != kept.email
    for account in (*ALONE, *REFUSED):
        assert whom(account.email, account.password) == owner_of(account)
        assert owner_of(account).email == canonical_or_none(account.email) or account in REFUSED
    assert whom(f"hal@{PUNYCODE}", ALONE[0].password) == owner_of(ALONE[0])
    forms = [user.email for user in User.objects.all() if user.email == canonical_or_none(user.email)]
    assert len(forms) == len(CLASHES) + len(ALONE)
    for user in User.objects.all():
        address = EmailAddress.objects.get(user=user, primary=True)
        assert address.email == user.email
    assert EmailAddress.objects.filter(email=f"zoe@{PUNYCODE}").exists()


def test_then_a_reset_leads_to_the_account_that_keeps_the_address(before):
    """T43"""
    settle()
    for keeper, *others in CLASHES:
        for spelling in (keeper.email, *(other.email for other in others)):
            cache.clear()
            client = Client()
            client.post(RESET, {"email": spelling})
            assert mail.outbox[-1].to == [canonical_or_none(keeper.email)]
            assert client.post(RESET_CODE, {"code": mailed_code()}).status_code == 302
            end = reverse("account_complete_password_reset")
            client.post(end, {"password1": keeper.password, "password2": keeper.password})
            assert whom(spelling, keeper.password) == owner_of(keeper)


def test_an_account_that_lost_its_address_confirms_who_it_is_and_moves_on(before):
    """T43: this works even if the account that kept the address has the same password."""
    settle()
    keeper, other = CLASHES[0]
    client = Client()
    client.post(LOGIN, {"login": other.email, "password": other.password})
    assert client.post(reverse("account_reauthenticate"), {"password": keeper.password}).status_code == 200
    User.objects.filter(pk=owner_of(keeper).pk).update(password=owner_of(other).password)
    assert client.post(reverse("account_reauthenticate"), {"password": other.password}).status_code == 302
    assert client.post(reverse("account_email"), {"email": "ada@new.test", "action_add": "1"}).status_code == 302
    link = next(word for word in mail.outbox[-1].body.split() if "/confirm-email/" in word)
    assert client.post(urlsplit(link).path).status_code == 302
    assert whom("ada@new.test", other.password).pk == int(client.session["_auth_user_id"])


def test_a_row_in_the_way_does_not_stop_the_others(before):
    """T43"""
    EmailAddress.objects.create(user=User.objects.get(email="zoe@corp.test"), email=f"hal@{PUNYCODE}", verified=True)
    settle()
    hal = ALONE[0]
    assert owner_of(hal).email == hal.email
    assert whom(hal.email, hal.password) == whom(f"hal@{PUNYCODE}", hal.password) == owner_of(hal)
    assert [found["email"] for found in run_json("checkaddresses")["unsettled"]] == [hal.email]


def test_checkaddresses_reports_what_clashes_and_what_would_be_refused(before):
    """T43"""
    settle()
    found = run_json("checkaddresses")
    assert found["settled"] == 0
    assert found["unsettled"] == []
    assert {clash["address"] for clash in found["clashes"]} == {canonical_or_none(c[0].email) for c in CLASHES}
    for clash in found["clashes"]:
        keeper, *others = next(c for c in CLASHES if canonical_or_none(c[0].email) == clash["address"])
        user = owner_of(keeper)
        expected = {"id": user.public_id, "email": user.email, "is_confirmed": keeper.confirmed}
        assert clash["kept_by"] == expected
        assert {other["id"] for other in clash["others"]} == {owner_of(other).public_id for other in others}
    assert [(one["email"], (one["looks_like"] or {}).get("email")) for one in found["refused"]] == [
        (REFUSED[0].email, "boss@corp.test"),
        (REFUSED[1].email, None),
    ]
    text = run("checkaddresses")
    assert all(user.public_id in text for user in map(owner_of, set(ACCOUNTS) - set(ALONE)))


def test_without_clashes_checkaddresses_says_so(db, owner):
    assert "Every account's address is in canonical form" in run("checkaddresses")


def test_addresses_that_the_previous_release_writes_meanwhile_can_be_settled(db):
    """T43"""
    account = Old(f"ada@{DOMAIN}")
    ada = write(account)
    for typed in (account.email, f"ada@{PUNYCODE}", f"Ada@{DOMAIN}"):
        assert whom(typed, account.password) == ada
        assert run_json("createproject", "Acme", "--owner", typed)["owner_id"] == ada.public_id
        page = page_of(Client().post(SIGN_UP, {"email": typed, "password1": "a loud harbour 42"}))
        assert "exists" in page
    client = Client()
    client.post(LOGIN, {"login": account.email, "password": account.password})
    answer = client.post(reverse("account_email"), {"email": f"ada@{PUNYCODE}", "action_add": "1"})
    assert "This is your address already" in page_of(answer)
    assert run_json("checkaddresses")["unsettled"][0]["email"] == account.email
    newer = write(Old(f"ada@{PUNYCODE}", days=1, confirmed=False))
    assert run_json("checkaddresses")["clashes"][0]["kept_by"]["id"] == ada.public_id
    found = run_json("checkaddresses", "--settle")
    assert (found["settled"], found["unsettled"]) == (1, [])
    ada.refresh_from_db()
    newer.refresh_from_db()
    assert (ada.email, newer.email) == (f"ada@{PUNYCODE}", f"ada@{DOMAIN}")
    assert run_json("checkaddresses", "--settle")["settled"] == 0


def test_the_previous_release_accepts_the_session(client, person):
    """Both releases may run for a while. Django drops a session whose backend is not in its settings."""
    log_in(client, person)
    assert client.session["_auth_user_backend"] == "django.contrib.auth.backends.ModelBackend"
