from typing import Any

from django import forms
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from accounts.addresses import canonical_or_none
from accounts.models import User
from accounts.own_account.deletion import StillNeeded, delete_account, obstacles_of
from accounts.requests import PageRequest
from accounts.sign_in.recent_authentication import ask_who_it_is
from common.answers.announcements import announce
from common.client_address import client_address


class ConfirmAddressForm(forms.Form):
    """Asks the person to type the account's address before the account is deleted for good."""

    confirmation = forms.CharField(
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "delete-%s", **kwargs})
        self.email = user.email
        self.fields["confirmation"].label = format_html("Type <code>{}</code> to confirm", self.email)

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"].strip()
        if self.email not in (typed, canonical_or_none(typed)):
            raise ValidationError(f"Type the address exactly: {self.email}")
        return typed


@require_http_methods(["GET", "HEAD", "POST"])
def delete_own_account(request: PageRequest) -> HttpResponse:
    if question := ask_who_it_is(request, back_to=request.path, again="press Delete account again"):
        return question
    form = ConfirmAddressForm(request.POST if request.method == "POST" else None, user=request.user)
    if form.is_valid():
        try:
            delete_account(user=request.user, address=client_address(request))
        except StillNeeded:
            pass  # the page says what hangs on the account
        else:
            logout(request)
            announce(request, "Your account is deleted.")
            return redirect("account_login")
    context = {"form": form, "obstacles": obstacles_of(request.user)}
    return render(request, "account/delete.html", context, status=422 if form.is_bound else 200)
