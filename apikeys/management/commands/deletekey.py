from apikeys.keys.services import delete_key
from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey


class Command(KeyStateCommand):
    help = "Delete an API key for good: requests using it are rejected, and its secret cannot be recovered."
    done = "{key} is deleted for good: requests using it are now rejected."
    unchanged = "{key} was deleted already."

    def change(self, key: ApiKey) -> bool:
        return delete_key(key=key, by=None)
