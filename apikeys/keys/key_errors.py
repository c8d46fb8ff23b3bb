"""Why a service did nothing."""

from apikeys.models import ApiKey
from common.gone import Gone


class KeyGone(Gone):
    """The key was deleted in the meantime."""


class ShownOnce(Exception):
    """The secret of `key` was shown at its creation and is stored nowhere."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(key.public_id)
        self.key = key
