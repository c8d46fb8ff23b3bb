"""The admin's sign-in. Django's own page knows neither second factors nor the limit on failed sign-ins.

allauth's page knows both. With SIGN_IN=oidc that page takes no passwords, and administrators (superusers and
staff) have one of their own here, for the day when the provider is away.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from allauth.account.views import LoginView
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase

from accounts.sign_in.forms import LoginForm
from accounts.ways import has_passwords, is_administrator


class AdministratorLoginForm(LoginForm):
    def authenticated(self, credentials: dict[str, Any]) -> Any:
        """Everybody else gets the answer for a wrong password."""
        user = super().authenticated(credentials)
        if not is_administrator(user):
            raise get_adapter().validation_error("email_password_mismatch")
        return user


class AdministratorLogin(LoginView):  # type: ignore[misc]  # allauth ships no types
    template_name = "account/login_administrator.html"

    def get_form_class(self) -> type[AdministratorLoginForm]:
        return AdministratorLoginForm


def admin_login(theirs: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Wraps the admin's own sign-in view."""
    secured = secure_admin_login(theirs)

    @wraps(theirs)
    @login_not_required
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if has_passwords() or request.user.is_authenticated:
            answer: HttpResponseBase = secured(request, *args, **kwargs)
        else:
            answer = AdministratorLogin.as_view()(request)
        return answer

    return view
