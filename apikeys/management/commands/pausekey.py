from apikeys.keys.services import pause_key
from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey


class Command(KeyStateCommand):
    help = "Pause an API key: requests using it are rejected until it is re-enabled."
    done = "{key} is paused: requests using it are now rejected. Undo with: manage.py resumekey {id}"
    unchanged = "{key} was paused already."

    def change(self, key: ApiKey) -> bool:
        return pause_key(key=key, by=None)
