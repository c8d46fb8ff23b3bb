from django.urls import URLPattern, URLResolver, include, path

from apikeys.pages import actions, project, secret_visibility, usage_pages
from apikeys.pages.bounds import address_pages, try_pages
from apikeys.pages.lifetimes import edit_and_end, pause_pages, rolls
from apikeys.pages.people import key_over, removing
from projects.audit_log import activity

app_name = "apikeys"

key_actions: list[URLPattern] = [
    path("", project.key_page, name="key"),
    path("edit/", edit_and_end.edit, name="edit"),
    path("end/", edit_and_end.end, name="end"),
    path("pause/", pause_pages.pause, name="pause"),
    path("pause-for/", pause_pages.pause_for, name="pause_for"),
    path("keep-paused/", pause_pages.keep_paused, name="keep_paused"),
    path("pause-end/", pause_pages.change_end, name="change_end_of_pause"),
    path("resume/", pause_pages.resume, name="resume"),
    path("copy/", actions.copy, name="copy"),
    path("reveal/", actions.reveal, name="reveal"),
    path("delete/", actions.delete, name="delete"),
    path("hand-over/", key_over.hand_over, name="hand_over"),
    path("offer/accept/", key_over.accept, name="accept_offer"),
    path("offer/decline/", key_over.decline, name="decline_offer"),
    path("offer/withdraw/", key_over.withdraw, name="withdraw_offer"),
    path("roll/", rolls.roll, name="roll"),
    path("roll/extend/", rolls.extend_old, name="extend_old"),
    path("allow-address/", address_pages.allow_address, name="allow_address"),
    path("try/", try_pages.try_it, name="try"),
    path("first-request/", usage_pages.first_request, name="first_request"),
]

project_pages: list[URLPattern | URLResolver] = [
    path("", project.dashboard, name="dashboard"),
    path("start/", project.onboarding, name="onboarding"),
    path("settings/", project.settings_page, name="settings"),
    path("usage/", usage_pages.usage, name="usage"),
    path("usage.csv", usage_pages.usage_csv, name="usage_csv"),
    path("activity/", activity.activity, name="activity"),
    path("activity.csv", activity.activity_csv, name="activity_csv"),
    path("show-once/", secret_visibility.switch_on, name="show_once"),
    path("keep-secrets/", secret_visibility.switch_off, name="keep_secrets"),
    path("members/<user_id:user_id>/remove/", removing.remove, name="remove_member"),
    path("keys/new/", actions.create, name="create"),
    path("keys/<key_id:key_id>/", include(key_actions)),
]

urlpatterns = [
    path("projects/<project_id:project_id>/", include(project_pages)),
    path("help/", project.help_page, name="help"),
]
