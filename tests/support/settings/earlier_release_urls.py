"""The addresses of that server. Today's receivers, which note digests and end sessions, do not belong to it."""

from allauth.account.signals import password_changed, password_set, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.usersessions.views import list_usersessions
from django.db.models.signals import post_delete, post_save
from django.urls import path

from accounts.sessions import session_list
from config.urls import *  # noqa: F403
from config.urls import urlpatterns as todays_urls

user_logged_in.disconnect(session_list.note_sign_in)
for signal in (password_set, password_changed):
    signal.disconnect(session_list.note_session)
post_save.disconnect(session_list.end_sessions_when_a_second_factor_comes, sender=Authenticator)
post_delete.disconnect(session_list.end_sessions_when_a_second_factor_goes, sender=Authenticator)
urlpatterns = [path("accounts/sessions/", list_usersessions, name="usersessions_list"), *todays_urls]
