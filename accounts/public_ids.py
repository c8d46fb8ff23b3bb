"""Public ids: a prefix and 16 random base62 characters (95 bits), for everything that leaves the server."""

import secrets
import string

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 16


def new_public_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(BASE62) for _ in range(RANDOM_CHARACTERS))}"


class PublicIdConverter:
    """A path converter that matches the ids of one kind only, so that hostile paths never reach a query."""

    regex: str

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


def converter_for(prefix: str) -> type[PublicIdConverter]:
    regex = f"{prefix}_[0-9A-Za-z]{{{RANDOM_CHARACTERS}}}"
    return type(f"{prefix.title()}IdConverter", (PublicIdConverter,), {"regex": regex})
