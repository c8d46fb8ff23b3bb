"""The settings of a server that stores sessions and second factors as releases before digests and seals did.

It is today's server with Django's own sessions, and with allauth's own session list and second factors.
"""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as TODAYS_APPS

SESSION_ENGINE = "tests.support.settings.earlier_sessions"
MFA_ADAPTER = "allauth.mfa.adapter.DefaultMFAAdapter"
INSTALLED_APPS = ["allauth.usersessions" if app.endswith(".SessionList") else app for app in TODAYS_APPS]
ROOT_URLCONF = "tests.support.settings.earlier_release_urls"
