from django.apps import AppConfig


class HousekeepingConfig(AppConfig):
    name = "common.housekeeping"
    label = "housekeeping"
