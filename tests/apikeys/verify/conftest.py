from collections.abc import Callable

import pytest

from apikeys.bounds.restrictions import Restrictions
from apikeys.bounds.services import restrict_key


@pytest.fixture
def bearer(api_key) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key.secret}"}


@pytest.fixture
def restrict(api_key, owner) -> Callable[..., None]:
    """Restricts the key: `restrict(read_only=True)`."""

    def restrict(**parts):
        restrict_key(key=api_key, restrictions=Restrictions(**parts), by=owner)
        api_key.refresh_from_db()

    return restrict
