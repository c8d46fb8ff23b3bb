"""Passwords and single sign-on at their worst together leave threads for the check and for pages, on a real server."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import islice

import pytest
from allauth.account.models import EmailAddress

from apikeys.keys.services import create_key
from common.slow_clients.slots import SIGNING_IN
from tests.support.factories import UserFactory
from tests.support.people.accounts import LOGIN, PASSWORD
from tests.support.people.lying_provider import CLIENT_ID, CLIENT_SECRET, LyingProvider
from tests.support.people.visitor import Visitor
from tests.support.programs.oidc_provider import address_of_provider

pytestmark = pytest.mark.slow

AT_ONCE = 12


def test_the_check_is_answered_while_passwords_and_the_provider_hold_all_that_they_may(
    start_server, project, owner, tmp_path
):
    """T46: the part about signing in. The provider answers nothing, and no hash ends, before the check was answered."""
    user = UserFactory(email="ada@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    secret = create_key(project=project, name="Production server", by=owner).secret
    go_on, file = threading.Event(), tmp_path / "go on"
    with LyingProvider().running() as provider, ThreadPoolExecutor(2 * AT_ONCE) as pool:
        server = start_server(
            DJANGO_SETTINGS_MODULE="tests.support.settings.held",
            HELD_UNTIL=str(file),
            THREADS="8",
            TRUSTED_PROXIES="1",
            OIDC_SECONDS="600",
            OIDC_ISSUER=provider.issuer,
            OIDC_CLIENT_ID=CLIENT_ID,
            OIDC_CLIENT_SECRET=CLIENT_SECRET,
            SIGN_IN="password,oidc",
        )
        visitors = [Visitor(server).coming_from(f"198.51.100.{number}") for number in range(2 * AT_ONCE)]
        by_provider, by_password = visitors[:AT_ONCE], visitors[AT_ONCE:]
        pages = [visitor.post("/accounts/single-sign-on/").body.decode() for visitor in by_provider]
        ways_back = [
            provider.come_back(address_of_provider(page), subject=f"{number}", email=f"{number}@example.com")
            for number, page in enumerate(pages)
        ]
        provider.answers["/token"] = lambda handler: go_on.wait() and handler.wfile.write(b"nonsense")
        try:
            asks = [partial(visitor.get, path) for visitor, path in zip(by_provider, ways_back, strict=True)]
            asks += [partial(visitor.post, LOGIN, login=user.email, password=PASSWORD) for visitor in by_password]
            answers = [pool.submit(ask) for ask in asks]
            refused = list(islice(as_completed(answers, timeout=60), len(asks) - SIGNING_IN))
            assert {answer.result().status for answer in refused} == {503}
            headers = {"Authorization": f"Bearer {secret}"}
            assert server.request("GET", "/api/v1/verify", headers=headers).status == 204
            assert server.check(secret).status == 204
            assert server.request("GET", LOGIN).status == 200
            held = [answer for answer in answers if not answer.done()]
            assert len(held) == SIGNING_IN, "they are still at work"
        finally:
            go_on.set()
            file.touch()
        assert {answer.result().status for answer in held} == {302, 503}, "a password signs in, and the provider lies"
