"""Accounts that an operator prepares. A link, which works once, lets the person set the first password."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.addresses import canonical
from accounts.allauth_internals import consume_or_429
from accounts.models import User
from accounts.sign_in.forms import ResetPasswordKeyForm
from common.names import clean_persons_name
from common.security_log import Event, record_on_commit

PAGE = "account_first_password"
# In the session of a person who has opened a link. The address of the form holds no token, so no Referer does.
_OPENED = "first_password"


class _Tokens(PasswordResetTokenGenerator):
    """A token depends on the account's password, address and last sign-in, so it ends as soon as one of them changes.

    It works for PASSWORD_RESET_TIMEOUT. Log lines show it masked, as everything that could be a secret.
    """

    key_salt = "accounts.sign_up.first_password"


_tokens = _Tokens()


def prepare_account(*, email: str, name: str = "", is_confirmed: bool = False) -> tuple[User, bool]:
    """The account of an address, with no password, and whether it is new.

    An account that was prepared before and that nobody has used is found again. Raises ValidationError if the address
    has no canonical form, if the name breaks the rule of `clean_persons_name`, and if another account has the address.
    """
    email, name = canonical(email), clean_persons_name(name)
    with transaction.atomic():
        user = User.objects.having(email)
        is_new = user is None
        if user is None:
            user = User.objects.create_user(email, name=name)
        elif not _is_unused(user):
            raise ValidationError(f"The account {user.public_id} has the address {user.email}.", code="unique")
        elif name:
            User.objects.filter(pk=user.pk).update(name=name)
            user.name = name
        EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
        if is_confirmed:
            EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)
    return user, is_new


def _is_unused(user: User) -> bool:
    """Whether nobody has signed in to the account, and nobody can without a link."""
    has_way_in = user.has_usable_password() or Authenticator.objects.filter(user=user).exists()
    return user.is_active and user.last_login is None and not has_way_in


def link_for(user: User) -> tuple[str, datetime]:
    """A link to the page that sets the first password, and when it stops working."""
    query = urlencode({"account": user.public_id, "token": _tokens.make_token(user)})
    ends = timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    return f"{settings.BASE_URL}{reverse(PAGE)}?{query}", ends


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_first_password(request: HttpRequest) -> HttpResponse:
    """The page that a link leads to. Opening it changes nothing, and confirms no address: an operator typed it."""
    if request.method != "POST" and "token" in request.GET:
        request.session[_OPENED] = {name: request.GET.get(name, "") for name in ("account", "token")}
        return redirect(PAGE)
    if request.method == "POST" and (answer := consume_or_429(request, "reset_password_from_key")):
        return answer
    user = _account_of_link(request.session.get(_OPENED, {}))
    if user is None:
        return render(request, "account/first_password_ended.html")
    form = ResetPasswordKeyForm(request.POST or None, user=user)
    if not form.is_valid():
        return render(request, "account/first_password.html", {"form": form, "account": user})
    del request.session[_OPENED]
    if not _set_if_unused(user, form.cleaned_data["password1"]):
        return render(request, "account/first_password_ended.html")
    messages.success(request, f"The password of {user.email} is set. Sign in with it.")
    return redirect("account_login")


def _account_of_link(opened: dict[str, Any]) -> User | None:
    if not opened:
        return None
    user = User.objects.filter(public_id=opened["account"], is_active=True).first()
    return user if user and _tokens.check_token(user, opened["token"]) else None


def _set_if_unused(user: User, password: str) -> bool:
    """False if the account has changed since the link was checked, for example by the same link in another browser."""
    same = User.objects.filter(
        pk=user.pk, password=user.password, email=user.email, last_login=user.last_login, is_active=True
    )
    user.set_password(password)
    with transaction.atomic():
        if not same.update(password=user.password):
            return False
        record_on_commit(Event.PASSWORD_CHANGED, account=user)
    return True
