"""`python -m bench.tools.fill COUNT` migrates the product's database and creates COUNT keys. It prints
their secrets as JSON.
"""

import json
import os
import sys

import django
from django.core.management import call_command

KEYS_A_PROJECT = 100


def new_emails() -> None:
    """From now on, the users that this process makes have emails that nobody in the database has."""
    from accounts.models import User
    from tests.support.factories import UserFactory

    UserFactory.reset_sequence(User.objects.count())


def make_keys(count: int) -> list[str]:
    """Keys as the product makes them, 100 in each project. Each project has its own owner. Returns their secrets."""
    from django.conf import settings

    from apikeys.models import ApiKey
    from apikeys.secrets import secret_format
    from tests.support.factories import ApiKeyFactory, ProjectFactory

    new_emails()
    secrets = [secret_format.generate(settings.KEY_PREFIX) for _ in range(count)]
    projects = [ProjectFactory() for _ in range(0, count, KEYS_A_PROJECT)]
    ApiKey.objects.bulk_create(
        ApiKeyFactory.build(secret=secret, project=projects[number // KEYS_A_PROJECT])
        for number, secret in enumerate(secrets)
    )
    return secrets


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    print(json.dumps(make_keys(int(sys.argv[1]))))
