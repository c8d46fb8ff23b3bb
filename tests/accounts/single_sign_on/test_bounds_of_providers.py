"""What a provider may cost: bytes, time, threads, and exchanges of codes for each network."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.single_sign_on import conversation, identities
from accounts.single_sign_on.conversation import MOST_BYTES, Conversation
from accounts.single_sign_on.problems import Busy, Unavailable
from common.slow_clients.slots import Slots, WayIn, share
from tests.support.people.accounts import is_signed_in
from tests.support.people.lying_provider import begin
from tests.support.places.pages import text
from tests.support.programs.parallel import in_parallel

pytestmark = pytest.mark.django_db

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    """Is set when the test ends. Whatever a provider holds back is held until then."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def page(provider) -> str:
    """An address of the provider. `provider.answers["/page"]` says what it answers."""
    return f"{provider.issuer}/page"


def reason(url: str, **form: str) -> str:
    """Why the provider's answer is of no use; "" if it is."""
    try:
        Conversation().post(url, form) if form else Conversation().get(url)
    except Unavailable as problem:
        return problem.reason
    return ""


# Bytes


def in_all(number: int) -> Callable[[Any], None]:
    """An answer of so many bytes, headers too."""
    return lambda handler: handler.wfile.write(HEAD + b"{}".ljust(number - len(HEAD)))


def headers_of(number: int) -> Callable[[Any], None]:
    """No single header is too long for Python's own client."""
    lines = b"X-Long: " + b"a" * 60_000 + b"\r\n"
    return lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + lines * (number // 60_000) + b"\r\n{}")


def in_pieces(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2 * MOST_BYTES // 1000):
        handler.wfile.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
    handler.wfile.write(b"2\r\n{}\r\n0\r\n\r\n")


def announced(handler: Any) -> None:
    """Its headers announce more than any memory has."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n{}")


def test_an_answer_has_as_many_bytes_as_it_may_have(provider, page):
    provider.answers["/page"] = in_all(MOST_BYTES)
    assert reason(page) == ""
    provider.answers["/page"] = in_all(MOST_BYTES + 1)
    assert reason(page) == "too_long"
    assert reason(page, code="x") == "too_long"


@pytest.mark.parametrize("answer", [headers_of(10 * MOST_BYTES), in_pieces])
def test_headers_and_pieces_count_too(provider, page, answer):
    provider.answers["/page"] = answer
    assert reason(page) == "too_long"


def test_the_memory_that_an_answer_announces_is_not_taken(provider, page):
    provider.answers["/page"] = announced
    assert reason(page) == ""


# Time


def dripping(start: bytes, ended: threading.Event) -> Callable[[Any], None]:
    """A byte now and then, each one long before a single wait is over, until the test ends."""

    def drip(handler: Any) -> None:
        handler.wfile.write(start)
        while not ended.wait(0.02):
            handler.wfile.write(b"a")

    return drip


def silent(ended: threading.Event) -> Callable[[Any], Any]:
    return lambda handler: ended.wait() and None


def left_behind() -> list[threading.Thread]:
    """Threads of exchanges that go on although nobody waits for them any more. Ending takes them a moment."""
    mine = [thread for thread in threading.enumerate() if thread.name == "single sign-on"]
    for thread in mine:
        thread.join(60)
    return [thread for thread in mine if thread.is_alive()]


@pytest.mark.parametrize("answer", ["header", "body", "silence"])
def test_a_provider_that_never_ends_is_too_slow_and_keeps_no_thread(provider, page, settings, ended, answer):
    settings.OIDC_SECONDS = 0.5
    start = {"header": b"HTTP/1.1 200 OK\r\nX-Slow: ", "body": HEAD}.get(answer)
    provider.answers["/page"] = dripping(start, ended) if start else silent(ended)
    assert reason(page) == "too_slow"
    assert left_behind() == []


def test_a_provider_that_never_finishes_its_tls_handshake_keeps_no_thread(db, settings, ended):
    settings.OIDC_SECONDS = 0.5
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a server's greeting of 16 KB begins
                while not ended.wait(0.02):
                    connection.sendall(b"\x03")

        threading.Thread(target=drip, daemon=True).start()
        assert reason(f"https://127.0.0.1:{server.getsockname()[1]}/") == "too_slow"
        assert left_behind() == []


def test_nobody_waits_for_a_name_that_is_not_found(provider, settings, ended, monkeypatch):
    settings.OIDC_SECONDS = 0.3
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: ended.wait(30) and [])
    assert reason("http://login.example.com/") == "too_slow"


def test_everything_that_a_page_asks_has_one_time_altogether(provider, page, settings, ended):
    settings.OIDC_SECONDS = 0.3
    provider.answers |= {"/page": silent(ended), "/other": {}}
    said = Conversation()
    for path in ("/page", "/other"):
        with pytest.raises(Unavailable, match="too_slow"):
            said.get(provider.issuer + path)
    assert provider.asked == ["/page"]


# Threads


def number_at_once(slot: Callable[[], Any]) -> int:
    """How many of eight requests have a slot at the same time."""
    all_asked = threading.Barrier(8)

    def ask() -> bool:
        try:
            with slot():
                all_asked.wait(60)
                return True
        except Busy:
            all_asked.wait(60)
            return False

    return sum(in_parallel([ask] * 8))


@pytest.fixture
def nobody_waits_long(monkeypatch) -> None:
    monkeypatch.setattr(conversation, "SECONDS_TO_WAIT", 0.01)


def test_a_quarter_of_the_threads_exchanges_codes_and_one_asks_about_the_provider(nobody_waits_long):
    assert number_at_once(conversation.slot_for_code) == share() == 2
    assert number_at_once(conversation.slot_for_itself) == 1
    assert number_at_once(conversation.slot_for_code) == 2, "the slots were given back"


def test_who_exchanges_a_code_may_ask_about_the_provider_in_the_same_thread(nobody_waits_long, monkeypatch):
    way = WayIn()
    way._threads = Slots(1)
    monkeypatch.setattr(conversation, "_way", way)
    with conversation.slot_for_code(), conversation.slot_for_itself():
        pass
    assert way._threads.take(), "the thread was given back"


def test_a_slot_is_waited_for(client, provider, monkeypatch):
    """The slot becomes free while somebody waits for it."""

    class Taken(Slots):
        def take(self, seconds: float = 0) -> bool:
            if seconds:
                self.give_back()
            return super().take(seconds)

    slots = Taken(1)
    assert slots.take()
    monkeypatch.setattr(conversation, "_for_codes", slots)
    assert client.get(provider.come_back(begin(client))).status_code == 302
    assert is_signed_in(client)


def test_a_slot_that_lacks_after_the_visit_was_used_up_offers_no_reload(client, provider, nobody_waits_long):
    """The provider's keys are asked for when the code is exchanged already. A reload would find no visit."""
    back = provider.come_back(begin(client))
    assert conversation._for_itself.take()
    try:
        answer = client.get(back)
    finally:
        conversation._for_itself.give_back()
    assert (answer.status_code, "/token" in provider.asked) == (503, True)
    assert "Too many people are signing in at this moment. Try again." in text(answer)
    assert 'href=""' not in answer.content.decode()
    assert "Back to sign in" in text(answer)


# Networks


def test_failures_of_a_network_count_for_those_who_wait_for_a_slot(client, provider, monkeypatch):
    """Otherwise each of them would be exchanged in turn."""
    back = provider.come_back(begin(client))
    others = [provider.come_back(begin(client)).replace("code=", "code=bogus") for _ in range(5)]

    class OthersFail(WayIn):
        def take(self, slots: Slots, seconds: float) -> bool:
            while others:
                assert client.get(others.pop()).status_code == 403
            return super().take(slots, seconds)

    monkeypatch.setattr(conversation, "_way", OthersFail())
    assert client.get(back).status_code == 429
    monkeypatch.setattr(identities, "_counters", lambda request: {"single_sign_on_failed": "another"})
    assert client.get(back).status_code == 302, "the visit was not used up"


def test_five_failures_a_minute_are_those_of_a_network_and_not_of_a_path_to_the_provider(client, provider):
    """A cancelled visit asked the provider nothing, and does not count."""
    visits = [provider.come_back(begin(client)) for _ in range(7)]
    for visit in visits[:6]:
        client.get(visit.replace("code=", "error=access_denied&code="))
    assert client.get(visits[6]).status_code == 302
    assert is_signed_in(client)


def test_failures_of_an_ipv6_site_count_together_from_whichever_of_its_networks(client, provider):
    """A stranger with a /48 has 65,536 networks of their own, and could hold every slot from another one each time."""
    answers = []
    for number in range(21):
        stranger = Client(REMOTE_ADDR=f"2001:db8:1:{number:x}::1")
        visit = provider.come_back(begin(stranger)).replace("code=", "code=bogus")
        answers.append(stranger.get(visit).status_code)
    honest = provider.come_back(begin(client))
    assert answers == [403] * 20 + [429]
    assert client.get(honest, REMOTE_ADDR="2001:db8:2:1::1").status_code == 302


# What a provider says of itself


@pytest.mark.parametrize("methods", [17, "client_secret_post", {}, [], [["client_secret_basic"]], None])
def test_a_strange_list_of_methods_is_no_error(client, provider, methods):
    path = "/.well-known/openid-configuration"
    provider.answers[path] = provider._answer(path, {})[1] | {"token_endpoint_auth_methods_supported": methods}
    assert client.get(provider.come_back(begin(client))).status_code == 302


@pytest.mark.parametrize(
    "address",
    ["/authorize", "ftp://a.test/", "http://", "http://a b.test/", "http://a.test/#x", "http://a.test/\n", 17],
)
def test_an_address_that_cannot_be_used_is_answered_in_words(provider, address):
    path = "/.well-known/openid-configuration"
    provider.answers[path] = provider._answer(path, {})[1] | {"authorization_endpoint": address}
    assert Client().post("/accounts/single-sign-on/").status_code == 503
