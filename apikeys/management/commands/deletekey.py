from apikeys.keys.services import delete_key
from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey


class Command(KeyStateCommand):
    help = "Delete an API key for good: requests with it are refused, its secret cannot be recovered."
    done = "{key} is deleted for good: requests with it are refused from now on."
    unchanged = "{key} was deleted already."

    def change(self, key: ApiKey) -> bool:
        return delete_key(key=key, by=None)
