"""Password hashing that waits until the file `HELD_UNTIL` exists, for tests/support/settings/held.py."""

import os
import time
from pathlib import Path
from typing import Any

from accounts.sign_in import hashing
from accounts.single_sign_on import conversation

hashing.SECONDS_TO_WAIT = conversation.SECONDS_TO_WAIT = 600


def held(get_response: Any) -> Any:
    """A middleware that does nothing."""
    return get_response


class HeldHasher(hashing.PasswordHasher):
    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        while not Path(os.environ["HELD_UNTIL"]).exists():
            time.sleep(0.02)
        return super().encode(password, salt, iterations)
