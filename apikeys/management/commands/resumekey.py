from apikeys.management.key_commands import KeyStateCommand
from apikeys.models import ApiKey
from apikeys.services import resume_key


class Command(KeyStateCommand):
    help = "Re-enable a paused API key: requests with it are let in again."
    done = "{key} is active: requests with it are let in again."
    unchanged = "{key} was active already."

    def change(self, key: ApiKey) -> bool:
        return resume_key(key=key, by=None)
