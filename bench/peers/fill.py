"""`python -m bench.peers.fill COUNT` creates COUNT keys of each peer and prints their Authorization headers as JSON."""

import json
import os
import sys

import django
from django.core.management import call_command


def make(count: int) -> dict[str, list[str]]:
    """Authorization headers by the peer's path. Each user has one token, because knox reads all tokens of a user at
    each call.
    """
    from django.contrib.auth.models import User
    from knox.models import AuthToken
    from rest_framework.authtoken.models import Token
    from rest_framework_api_key.models import APIKey

    names = [f"user{number}" for number in range(count)]
    users = User.objects.bulk_create([User(username=name) for name in names])
    return {
        "api-key": [f"Api-Key {APIKey.objects.create_key(name=name)[1]}" for name in names],
        "knox": [f"Token {AuthToken.objects.create(user)[1]}" for user in users],
        "token": [f"Token {Token.objects.create(user=user).key}" for user in users],
    }


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.peers.settings"
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    print(json.dumps(make(int(sys.argv[1]))))
