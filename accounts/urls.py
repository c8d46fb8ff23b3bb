"""Pages of allauth's that change an account without asking who is there; these stand before its own."""

from allauth.account.decorators import reauthentication_required
from allauth.account.views import password_set
from allauth.usersessions.views import list_usersessions
from django.urls import path

urlpatterns = [
    path("password/set/", reauthentication_required(password_set), name="account_set_password"),
    path("sessions/", reauthentication_required(list_usersessions, allow_get=True), name="usersessions_list"),
]
