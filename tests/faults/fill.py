"""Migrates the database of DATABASE_URL and fills it; prints as JSON what the tests have to know.

It runs in a process of its own, because the settings of the tests name another database.
"""

import json
import sys

import django

PASSWORD = "correct horse battery"


def main(keys: int) -> None:
    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from accounts.models import User
    from apikeys.keys import pausing, services
    from projects.services import create_project
    from tests.support.people.sessions import log_in

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user(email="owner@example.com", password=PASSWORD)
    project = create_project(name="Acme Weather", owner=owner, by=owner)
    made = [services.create_key(project=project, name=f"Key {number}", by=owner) for number in range(keys)]
    paused = services.create_key(project=project, name="Paused", by=owner)
    pausing.pause_key(key=paused.key, by=owner)
    browser = Client()
    log_in(browser, owner)
    print(
        json.dumps(
            {
                "email": owner.email,
                "project_id": project.public_id,
                "secrets": [new.secret for new in made],
                "paused_secret": paused.secret,
                "session": browser.session.session_key,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
