"""The addresses of that server. Today's receivers, which note digests, do not belong to it."""

from allauth.account.signals import password_changed, password_set, user_logged_in
from allauth.usersessions.views import list_usersessions
from django.urls import path

from accounts import session_list
from config.urls import *  # noqa: F403
from config.urls import urlpatterns as todays_urls

user_logged_in.disconnect(session_list.note_sign_in)
for signal in (password_set, password_changed):
    signal.disconnect(session_list.note_session)
urlpatterns = [path("accounts/sessions/", list_usersessions, name="usersessions_list"), *todays_urls]
