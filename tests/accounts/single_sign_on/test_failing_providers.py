"""A provider that is down, slow, redirects or floods is answered in words, and blocks no other way in."""

import json
import time

import pytest
from django.test import Client
from django.urls import reverse

from accounts.single_sign_on import conversation, discovery
from common.slow_clients.slots import Slots
from tests.support.people.accounts import is_signed_in, log_in
from tests.support.people.lying_provider import LyingProvider, begin, sign_in
from tests.support.places.pages import text
from tests.support.programs.mail_server import new_certificate
from tests.support.programs.postgres import free_port

pytestmark = pytest.mark.django_db

DISCOVERY = "/.well-known/openid-configuration"
WORDS = "Acme cannot be used right now. Try again in a minute. You can also sign in another way."


def redirects(handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/keys")
    handler.end_headers()


def floods(handler) -> None:
    """A good answer after 10 MB of spaces."""
    handler.send_response(200)
    handler.end_headers()
    piece = b" " * 1024 * 1024
    for _ in range(10):
        handler.wfile.write(piece)
    form = {"code": ""} if handler.path == "/token" else {}
    handler.wfile.write(json.dumps(handler.provider._answer(handler.path, form)[1]).encode())


def drips(handler) -> None:
    """A header without end. Each byte comes long before the time of a single wait is over."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(3000):
        handler.wfile.write(b"a")
        time.sleep(0.02)


def fails(handler) -> None:
    handler.send_response(500)
    handler.end_headers()
    handler.wfile.write(b"{}")


def talks_of_something_else(handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>Welcome</html>")


FAILURES = {
    "redirects": redirects,
    "floods": floods,
    "drips": drips,
    "fails": fails,
    "no JSON": talks_of_something_else,
    "a list": [1, 2],
    "deep JSON": lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000),
    "no HTTP": lambda handler: handler.wfile.write(b"\x00\x01nonsense\r\n\r\n"),
    "no addresses": {},
}


def assert_in_words(client, answer) -> None:
    assert answer.status_code == 503
    assert WORDS in text(answer)
    assert not is_signed_in(client)


# Discovery meets every failure; what is asked after it meets those that could cost time or memory.
LATER = ["redirects", "floods", "drips", "fails"]
CASES = [(DISCOVERY, failure) for failure in FAILURES]
CASES += [(path, failure) for path in ("/token", "/keys") for failure in LATER]


@pytest.mark.parametrize(("path", "failure"), CASES)
def test_every_failure_of_the_provider_is_answered_in_words(client, provider, person, settings, path, failure):
    """Bad input: an issuer that is slow, redirects, or sends 10 MB."""
    back = provider.come_back(begin(client)) if path != DISCOVERY else ""
    provider.answers[path] = FAILURES[failure]
    # The header without end needs a minute.
    settings.OIDC_SECONDS = 0.5 if failure == "drips" else 60.0
    answer = client.get(back) if back else client.post("/accounts/single-sign-on/")
    assert_in_words(client, answer)
    log_in(client, person)
    assert is_signed_in(client), "the password still lets the person in"


def test_a_provider_that_cannot_be_reached_is_answered_in_words(client, provider, settings):
    settings.OIDC_ISSUER = f"http://127.0.0.1:{free_port()}"
    assert_in_words(client, client.post("/accounts/single-sign-on/"))


def test_a_provider_is_asked_over_tls_with_a_certificate_that_this_server_trusts(
    client, provider, settings, tmp_path, monkeypatch
):
    certificate = new_certificate(tmp_path)
    with LyingProvider(certificate).running() as secure:
        settings.OIDC_ISSUER = secure.issuer
        assert_in_words(client, client.post("/accounts/single-sign-on/"))
        assert not secure.asked
        discovery.forget()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert sign_in(client, secure).status_code == 302
        assert is_signed_in(client)


def test_a_failure_is_remembered_so_that_the_next_person_is_answered_at_once(client, provider):
    provider.answers[DISCOVERY] = fails
    client.post("/accounts/single-sign-on/")
    del provider.answers[DISCOVERY]
    assert_in_words(client, client.post("/accounts/single-sign-on/"))
    assert provider.asked == [DISCOVERY], "it was asked once"
    discovery.forget()
    assert begin(client).startswith(provider.issuer)


def test_what_the_provider_says_of_itself_is_asked_once(client, provider):
    begin(client)
    begin(client)
    assert provider.asked == [DISCOVERY]


def test_a_new_key_of_the_provider_is_asked_for(client, provider, monkeypatch):
    monkeypatch.setattr(discovery, "KEYS_LEAST_SECONDS", 0.0)
    back = provider.come_back(begin(client))
    provider.answers["/keys"] = {"keys": []}
    assert client.get(back).status_code == 403
    del provider.answers["/keys"]
    assert client.get(provider.come_back(begin(client))).status_code == 302
    assert is_signed_in(client)


BUSY = "Too many people are signing in at this moment. Try again."


@pytest.fixture
def all_taken(monkeypatch):
    """Every slot for a code and the slot for discovery are taken, and nobody waits long."""
    for name in ("_for_codes", "_for_itself"):
        slots = Slots(1)
        assert slots.take()
        monkeypatch.setattr(conversation, name, slots)
    monkeypatch.setattr(conversation, "SECONDS_TO_WAIT", 0.01)
    return conversation


def test_few_threads_wait_for_the_provider_at_once(client, provider, person, all_taken):
    """The others read what is true, and passwords need no thread of theirs."""
    answer = client.post("/accounts/single-sign-on/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert BUSY in text(answer)
    assert "No answer" not in text(answer)
    assert not provider.asked
    log_in(client, person)
    assert is_signed_in(client)


def test_who_finds_no_slot_goes_on_with_a_reload(client, provider, lines, all_taken):
    all_taken._for_itself.give_back()
    back = provider.come_back(begin(client))
    answer = client.get(back)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert BUSY in text(answer)
    assert "/token" not in provider.asked
    assert "single_sign_on_too_many_at_once" in lines.getvalue()
    all_taken._for_codes.give_back()
    assert client.get(back).status_code == 302
    assert is_signed_in(client)


def test_people_set_out_while_every_slot_for_codes_is_taken(client, provider, all_taken):
    all_taken._for_itself.give_back()
    assert begin(client).startswith(provider.issuer)
    assert all_taken._for_itself.take()
    assert begin(Client()).startswith(provider.issuer), "what is kept needs no slot"


def test_bogus_codes_of_one_network_soon_take_no_slot(client, provider, all_taken):
    """Strangers who make up codes keep nobody out: the provider is asked a few times a minute for each network."""
    all_taken._for_itself.give_back()
    all_taken._for_codes.give_back()
    visits = [provider.come_back(begin(client)) for _ in range(6)]
    bogus = [visit.replace("code=", "code=bogus") for visit in visits]
    addresses = [f"2001:db8::{number}" for number in range(6)]
    answers = []
    for path, address in zip(bogus, addresses, strict=True):
        if len(answers) == 5:
            assert all_taken._for_codes.take(), "others have every slot"
        answers.append(client.get(path, REMOTE_ADDR=address))
    all_taken._for_codes.give_back()
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert provider.asked.count("/token") == 5
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    assert "Too many sign-ins from your network have failed. Try again in a minute." in text(answers[-1])
    assert client.get(visits[-1], REMOTE_ADDR="192.0.2.7").status_code == 302, "another network goes on"
    assert is_signed_in(client)


def test_an_answer_that_nobody_waits_for_takes_no_slot(client, provider, all_taken):
    assert client.get("/accounts/single-sign-on/callback/?code=x&state=y").status_code == 400


def test_the_sign_in_page_asks_the_provider_nothing(client, provider):
    provider.answers[DISCOVERY] = fails
    assert "Continue with Acme" in text(client.get(reverse("account_login")))
    assert not provider.asked


def test_a_stranger_cannot_send_people_to_the_provider_without_end(client, provider, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "single_sign_on": "2/m/ip"}
    begin(client)
    begin(client)
    answer = client.post("/accounts/single-sign-on/")
    assert answer.status_code == 429
    assert answer["Retry-After"]
