"""allauth's OpenID Connect provider, with what it lacks. The only module that builds on allauth's `socialaccount`.

allauth makes the state and PKCE, and keeps both in the session. It sends no nonce, it lets the query of its sign-in
page replace any parameter (`auth_params`), it follows redirects, its time limit is one for each wait, and it believes a
token from the token endpoint without its signature. So its views and its adapter for HTTP are not used.
tests/accounts/single_sign_on/test_allauth_socialaccount_contract.py holds what this module relies on.
"""

from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse

from accounts.single_sign_on.discovery import ProviderAddresses
from accounts.single_sign_on.problems import not_begun_here

# What a visit to the provider is for; in the state.
SIGN_IN, CONNECT, CONFIRM = "login", "connect", "confirm"


class Visit(NamedTuple):
    """What was remembered when the person was sent to the provider."""

    purpose: str
    nonce: str
    verifier: str
    began_at: float
    user_pk: int | None  # the person who was signed in
    back_to: str


class _Client(OAuth2Client):  # type: ignore[misc]  # allauth ships no types
    def get_redirect_url(self, authorization_url: str, scope: Any, extra_params: dict[str, Any]) -> str:
        """Also for an address that has a query of its own."""
        own = super().get_redirect_url("", scope, extra_params)
        return str(authorization_url + (own.replace("?", "&", 1) if "?" in authorization_url else own))


class _Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Knows the provider's addresses from our discovery, and asks nothing itself."""

    client_class = _Client

    def __init__(self, request: HttpRequest, provider: "Provider") -> None:
        super().__init__(request, provider.sub_id)
        self.provider = provider

    @property
    def openid_config(self) -> dict[str, Any]:
        if self.provider.found is None:
            return {}
        return {
            "authorization_endpoint": self.provider.found.authorization,
            "token_endpoint": self.provider.found.token,
        }

    def get_provider(self) -> "Provider":
        return self.provider

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return redirect_uri()


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    """The one provider, from the settings. Rows of allauth's table for providers are never read."""

    def __init__(self, request: HttpRequest, found: ProviderAddresses | None = None) -> None:
        app = SocialApp(
            provider="openid_connect",
            provider_id=settings.OIDC_ISSUER,
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"oauth_pkce_enabled": True, "token_auth_method": "client_secret_basic"},
        )
        super().__init__(request, app=app)
        self.found = found

    def get_oauth2_adapter(self, request: HttpRequest) -> _Adapter:
        return _Adapter(request, self)

    def get_default_scope(self) -> list[str]:
        """Without "profile": the address is all that we keep."""
        return ["openid", "email"]


def redirect_uri() -> str:
    """Where the provider sends people back. The operator registers it there."""
    return f"{settings.BASE_URL}{reverse('single_sign_on_callback')}"


def address_to_visit(request: HttpRequest, found: ProviderAddresses, visit: Visit, **parameters: Any) -> str:
    """Remembers the visit in the session, with a state and a verifier of its own, and returns the provider's address
    for it. `verifier` of `visit` is ignored.
    """
    data = {"nonce": visit.nonce, "began_at": visit.began_at, "user_pk": visit.user_pk, "back_to": visit.back_to}
    answer = Provider(request, found).redirect(
        request, visit.purpose, data=data, auth_params={"nonce": visit.nonce, **parameters}
    )
    return str(answer["Location"])


def take_visit(request: HttpRequest) -> Visit:
    """The visit that this answer belongs to, once. Raises Problem if this browser began no such visit."""
    try:
        state = Provider(request).unstash_redirect_state(request, request.GET.get("state", ""))
        data = state["data"]
        verifier = state["pkce_code_verifier"]
        return Visit(state["process"], data["nonce"], verifier, data["began_at"], data["user_pk"], data["back_to"])
    except (PermissionDenied, KeyError, TypeError):
        raise not_begun_here() from None


def page_that_follows(request: HttpRequest) -> str:
    """The `next` of the request if it is safe to follow, otherwise ""."""
    return str(get_next_redirect_url(request) or "")


def token_request(code: str, verifier: str, found: ProviderAddresses) -> tuple[dict[str, str], dict[str, str]]:
    """The form that exchanges a code, and its headers (RFC 6749, 4.1.3 and 2.3.1; RFC 7636)."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": verifier,
    }
    name, secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
    if found.takes_secret_in_form:
        return form | {"client_id": name, "client_secret": secret}, {}
    pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
    return form, {"Authorization": f"Basic {b64encode(pair).decode()}"}
