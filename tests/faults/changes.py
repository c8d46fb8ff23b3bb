"""Makes changes on the database of DATABASE_URL as fast as possible; prints their number and the failures as JSON."""

import json
import sys

import django


def main(name: str, rounds: int) -> None:
    django.setup()
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.db import DatabaseError

    from accounts.models import User
    from apikeys.keys import pausing, services
    from projects.files.storage import add_file, delete_file
    from projects.services import create_project

    owner = User.objects.get(email="owner@example.com")
    project = create_project(name=name, owner=owner, by=owner)
    done, failed = 0, []
    for number in range(rounds):
        try:
            key = services.create_key(project=project, name=f"{name} {number}", by=owner).key
            pausing.pause_key(key=key, by=owner)
            pausing.resume_key(key=key, by=owner)
            services.delete_key(key=key, by=owner)
            file = add_file(project=project, upload=SimpleUploadedFile("a.txt", b"hello"), by=owner)
            delete_file(file=file, by=owner)
            done += 6
        except DatabaseError as error:
            failed.append(str(error))
    print(json.dumps({"done": done, "failed": failed}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
