"""Pages that come before allauth's own. Two of those change an account without asking who is there, and its addresses
of a passkey contain the primary key of the row.
"""

from allauth.account.decorators import reauthentication_required
from allauth.account.views import password_set
from allauth.mfa.webauthn.views import edit_webauthn, remove_webauthn
from django.http import HttpResponse
from django.urls import path

from accounts import allauth_internals
from accounts.own_account.deletion_page import delete_own_account
from accounts.own_account.profile_page import edit_profile
from accounts.requests import PageRequest
from accounts.sessions.session_list import end_session, list_sessions
from accounts.sign_in.code_page import enter_code
from accounts.sign_in.recent_authentication import ask_who_it_is
from accounts.sign_up.first_password import set_first_password
from accounts.single_sign_on import connections, provider_pages


def set_password(request: PageRequest) -> HttpResponse:
    """A form that is sent too late has to be filled in again: allauth would keep the new password in the session."""
    question = ask_who_it_is(request, back_to=request.path, again="enter the new password again")
    return question or password_set(request)


allauth_internals.drop_addresses_of_passkeys()
allauth_internals.drop_addresses_of_social_accounts()

urlpatterns = [
    path("confirm-email/", enter_code, name="account_email_verification_sent"),
    path("password/set/", set_password, name="account_set_password"),
    path("delete/", delete_own_account, name="account_delete"),
    path("profile/", edit_profile, name="account_profile"),
    path("first-password/", set_first_password, name="account_first_password"),
    path("single-sign-on/", provider_pages.begin, name="single_sign_on"),
    path("single-sign-on/callback/", provider_pages.come_back, name="single_sign_on_callback"),
    path("single-sign-on/confirm/", provider_pages.confirm, name="single_sign_on_confirm"),
    path("connections/", connections.list_connections, name="single_sign_on_connections"),
    path("connections/connect/", provider_pages.begin_connecting, name="single_sign_on_connect"),
    path("connections/disconnect/", connections.disconnect, name="single_sign_on_disconnect"),
    path("sessions/", reauthentication_required(list_sessions, allow_get=True), name="usersessions_list"),
    path("sessions/<session_row:pk>/end/", reauthentication_required(end_session), name="end_session"),
    path("2fa/webauthn/keys/<passkey_row:pk>/remove/", remove_webauthn, name="mfa_remove_webauthn"),
    path("2fa/webauthn/keys/<passkey_row:pk>/edit/", edit_webauthn, name="mfa_edit_webauthn"),
]
