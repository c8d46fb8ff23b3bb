"""Makes projects, each with one owner and one key without an end, in the database of DATABASE_URL.

It runs in a process of its own, because the settings of the tests name another database.
"""

import sys

import django


def main(number: int) -> None:
    django.setup()
    from accounts.models import User
    from apikeys.keys import services
    from projects.services import create_project

    for count in range(number):
        owner = User.objects.create_user(email=f"ending{count}@example.com")
        project = create_project(name=f"Ending {count}", owner=owner, by=owner)
        services.create_key(project=project, name="Ending", by=owner)


if __name__ == "__main__":
    main(int(sys.argv[1]))
