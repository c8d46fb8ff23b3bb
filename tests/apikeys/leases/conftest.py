from collections.abc import Iterator

import pytest

from apikeys.leases import kept_rows, registration


@pytest.fixture
def leased(settings) -> Iterator[None]:
    """This process keeps rows, and the database says so."""
    settings.VERDICT_LEASE = True
    registration.forget()
    registration.renew()
    yield
    registration.forget()
    kept_rows.forget_all()
