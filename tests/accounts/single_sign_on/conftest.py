from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from accounts.single_sign_on import discovery
from tests.support.people.lying_provider import CLIENT_ID, CLIENT_SECRET, LyingProvider


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    discovery.forget()


@pytest.fixture
def provider(db: None, settings: Settings) -> Iterator[LyingProvider]:
    """The provider of this server, called Acme."""
    with LyingProvider().running() as provider:
        settings.SIGN_IN = ["password", "oidc"]
        settings.OIDC_ISSUER, settings.OIDC_NAME = provider.issuer, "Acme"
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        settings.OIDC_TRUST_EMAIL = False
        settings.OIDC_SECONDS = 60.0
        yield provider


@pytest.fixture
def trusted(provider: LyingProvider, settings: Settings) -> LyingProvider:
    """The operator believes this provider's emails."""
    settings.OIDC_TRUST_EMAIL = True
    return provider
