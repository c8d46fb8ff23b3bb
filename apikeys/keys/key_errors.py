"""Why a service did nothing."""

from apikeys.models import ApiKey
from common.gone import Gone


class KeyGone(Gone):
    """The key was deleted in the meantime."""


class PausedAgain(Exception):
    """The pause that the person saw is over, and somebody has paused the key again."""


class EndOfPauseChanged(Exception):
    """Somebody else has changed the end of the pause since the person saw it."""


class NameChanged(Exception):
    """Somebody else has renamed the key since the person saw its name."""


class ShownOnce(Exception):
    """The secret of `key` was shown at its creation and is stored nowhere."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(key.public_id)
        self.key = key
