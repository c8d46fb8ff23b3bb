from django.urls import URLPattern, URLResolver, include, path

from apikeys import pages, show_once, usage_pages, views

app_name = "apikeys"

key_actions: list[URLPattern] = [
    path("pause/", views.pause, name="pause"),
    path("resume/", views.resume, name="resume"),
    path("copy/", views.copy, name="copy"),
    path("reveal/", views.reveal, name="reveal"),
    path("delete/", views.delete, name="delete"),
    path("first-request/", pages.first_request, name="first_request"),
]

project_pages: list[URLPattern | URLResolver] = [
    path("", pages.dashboard, name="dashboard"),
    path("start/", pages.onboarding, name="onboarding"),
    path("settings/", pages.settings_page, name="settings"),
    path("usage/", usage_pages.usage, name="usage"),
    path("usage.csv", usage_pages.usage_csv, name="usage_csv"),
    path("activity/", pages.activity, name="activity"),
    path("show-once/", show_once.switch_on, name="show_once"),
    path("keep-secrets/", show_once.switch_off, name="keep_secrets"),
    path("keys/new/", views.create, name="create"),
    path("keys/<key_id:key_id>/", include(key_actions)),
]

urlpatterns = [
    path("projects/<project_id:project_id>/", include(project_pages)),
    path("help/", pages.help_page, name="help"),
]
