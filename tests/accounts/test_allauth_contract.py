"""Parts of allauth that accounts/allauth_internals.py relies on. A release of allauth that changes them fails here."""

import inspect
import time

import pytest
from allauth.account.authentication import get_authentication_records
from allauth.account.internal import stagekit
from allauth.account.internal.flows.email_verification_by_code import EmailVerificationProcess
from allauth.account.internal.flows.password_reset import finalize_password_reset
from allauth.account.internal.flows.password_reset_by_code import PasswordResetVerificationProcess
from allauth.account.models import EmailAddress, Login
from allauth.core import context
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.cookie import CookieStorage
from django.core import mail

from accounts import allauth_internals
from accounts.sessions.store import SessionStore
from tests.support.factories import PASSWORD
from tests.support.people.accounts import totp_code

pytestmark = pytest.mark.django_db

PRIVATE_CLASSES = [
    allauth_internals.AccountAdapter,
    allauth_internals.AuthenticationBackend,
    allauth_internals.CodePage,
    allauth_internals.LoginForm,
]


@pytest.fixture
def request_(rf, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/m/key,5/h/key", "own": "1/m/key", "page": "1/m/ip"}
    request = rf.post("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    request._messages = CookieStorage(request)
    with context.request_context(request):
        yield request


def times(request, action: str, key: str) -> list[int]:
    return [len(rate.times or ()) for rate in allauth_internals.counted(request, action, key)]


@pytest.mark.parametrize("cls", PRIVATE_CLASSES)
def test_every_private_method_that_we_replace_is_there_with_its_arguments(cls):
    replaced = [name for name in vars(cls) if name.startswith("_") and not name.startswith("__")]
    assert replaced
    for name in replaced:
        theirs = inspect.signature(getattr(cls.__bases__[0], name))
        assert list(inspect.signature(getattr(cls, name)).parameters) == list(theirs.parameters)


# Limits


def test_a_counter_tells_when_each_use_was_and_refuses_the_next(request_):
    assert allauth_internals.consume(request_, "own", key="a")
    assert not allauth_internals.consume(request_, "own", key="a")
    [rate] = allauth_internals.counted(request_, "own", "a")
    assert (rate.amount, rate.seconds) == (1, 60)
    assert abs(rate.times[0] - time.time()) < 60
    assert allauth_internals.consume(request_, "own", key="b"), "each key is counted separately"
    allauth_internals.clear(request_, "own", key="a")
    assert times(request_, "own", "a") == [0]
    assert 0 < allauth_internals.noted_seconds(request_) <= 61, "a refusal is noted"


def test_a_limit_may_be_given_with_the_call(request_):
    limit = {"config": {"ours": "1/m/key"}, "key": "a"}
    assert allauth_internals.consume(request_, "ours", **limit)
    assert not allauth_internals.consume(request_, "ours", **limit)


def test_a_page_beyond_its_limit_is_answered_429(request_):
    assert allauth_internals.consume_or_429(request_, "page") is None
    assert allauth_internals.consume_or_429(request_, "page").status_code == 429


class Adapter(allauth_internals.AccountAdapter):
    def login_attempts_key(self, request, **credentials) -> str:
        return "ours"


def test_failed_sign_ins_count_for_our_key_and_one_that_succeeds_gives_its_own_back(request_, owner):
    adapter = Adapter(request_)
    assert adapter.authenticate(request_, email=owner.email, password="wrong") is None
    assert times(request_, "login_failed", "ours") == [1, 1]
    assert adapter.authenticate(request_, email=owner.email, password=PASSWORD) == owner
    assert times(request_, "login_failed", "ours") == [1, 1], "the successful sign-in gave back its use"


def test_a_sign_in_also_gives_back_its_use_of_other_limits(request_, owner):
    class Both(Adapter):
        def pre_authenticate(self, request, **credentials) -> None:
            super().pre_authenticate(request, **credentials)
            self.give_back_at_sign_in(allauth_internals.consume(request, "own", key="beside"))

    assert Both(request_).authenticate(request_, email=owner.email, password=PASSWORD) == owner
    assert times(request_, "own", "beside") == [0]


def test_a_reset_forgets_failed_sign_ins(request_, owner, settings):
    settings.ACCOUNT_ADAPTER = f"{__name__}.Adapter"
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=True)
    Adapter(request_).authenticate(request_, email=owner.email, password="wrong")
    finalize_password_reset(request_, owner)
    assert times(request_, "login_failed", "ours") == [0, 0]


class Backend(allauth_internals.AuthenticationBackend):
    def search(self, request, **credentials):
        user = credentials["user"]
        return user if self.has_password(user, credentials["password"]) else None


def test_a_sign_in_searches_as_we_say(request_, owner):
    assert Backend().authenticate(request_, user=owner, password=PASSWORD) == owner
    assert Backend().authenticate(request_, user=owner, password="wrong") is None


# Forms and codes


class Form(allauth_internals.LoginForm):
    def authenticated(self, credentials):
        assert credentials == {"email": "typed@example.com", "password": "x"}
        return self.request.somebody


def test_a_sign_in_goes_on_with_the_account_that_our_form_found(request_, owner):
    request_.somebody = owner
    form = Form({"login": "typed@example.com", "password": "x"}, request=request_)
    assert form.is_valid()
    assert form.user == owner
    assert (form._login.user, form._login.email) == (owner, owner.email)


def test_a_page_waits_for_a_code_that_no_email_brought(request_, owner, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    allauth_internals.wait_for_code(request_, owner, owner.email, ours=True)
    process = EmailVerificationProcess.resume(request_)
    assert (process.user, process.email, process.state["ours"]) == (owner, owner.email, True)
    assert process.code
    assert not mail.outbox
    allauth_internals.end_pending_sign_in(request_)
    assert EmailVerificationProcess.resume(request_) is None


def test_a_link_is_emailed(request_, owner):
    address = EmailAddress.objects.create(user=owner, email="new@example.com")
    request_.user = owner
    allauth_internals.send_link(request_, address)
    assert [message.to for message in mail.outbox] == [["new@example.com"]]


# Pending state in the session


def test_a_pending_sign_in_names_its_account_and_keeps_a_stages_state(request_, owner):
    login = Login(user=owner, email=owner.email)
    login.state["ours"] = 1
    stagekit.stash_login(request_, login)
    pending = allauth_internals.pending_sign_in(request_)
    assert (int(pending.user_pk), pending.state["ours"]) == (owner.pk, 1)
    allauth_internals.set_account_of_pending_sign_in(request_, 0)
    assert int(allauth_internals.pending_sign_in(request_).user_pk) == 0
    allauth_internals.end_pending_sign_in(request_)
    assert allauth_internals.pending_sign_in(request_) is None


def test_a_pending_reset_names_its_account(request_, owner):
    PasswordResetVerificationProcess.initiate(request=request_, user=owner, email=owner.email)
    reset = allauth_internals.pending_reset(request_)
    assert int(reset["user_id"]) == owner.pk
    allauth_internals.set_pending_reset(request_, {**reset, "ours": 1})
    assert PasswordResetVerificationProcess.resume(request_).state["ours"] == 1
    allauth_internals.end_pending_reset(request_)
    assert PasswordResetVerificationProcess.resume(request_) is None


@pytest.mark.usefixtures("confirmed_by_code")
def test_a_pending_code_names_its_account(request_, owner):
    EmailVerificationProcess.initiate(request=request_, user=owner, email="new@example.com")
    code = allauth_internals.pending_code(request_)
    assert code["user_id"] == str(owner.pk)
    allauth_internals.set_pending_code(request_, {**code, "ours": 1})
    assert EmailVerificationProcess.resume(request_).state["ours"] == 1
    allauth_internals.end_pending_code(request_)
    assert EmailVerificationProcess.resume(request_) is None


def test_a_password_is_recorded_as_given(request_, owner):
    allauth_internals.record_password(request_, owner)
    [record] = get_authentication_records(request_, owner)
    assert record["method"] == "password"


def test_a_code_that_is_kept_used_lets_nobody_in(request_, owner):
    secret = generate_totp_secret()
    totp = TOTP.activate(owner, secret)
    allauth_internals.keep_code_used(totp.instance, totp_code(secret), 60)
    assert not totp.validate_code(totp_code(secret))
    assert totp.validate_code(totp_code(secret, 1))
