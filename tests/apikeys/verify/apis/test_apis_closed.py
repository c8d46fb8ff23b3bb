"""docs/apis.md: an API that cannot ask Latchkey lets nobody in, and its connections to Latchkey stay open."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.apis.pretenders import Crowd, Dripping, Pretender, Slow
from tests.support.calls.api_helpers import assert_error
from tests.support.gateways.proxies import Answer, Witness
from tests.support.programs.postgres import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

WAYS = [("GET", "/whose"), ("POST", "/whose"), ("POST", "/copies"), ("GET", "/limits")]


def assert_unavailable(answer: Answer) -> None:
    assert_error(answer, 503, "unavailable")
    assert answer.headers.get_all("Retry-After") == ["5"]


def assert_closed(example, bearer: dict[str, str]) -> None:
    for way in WAYS:
        assert_unavailable(example.request(*way, headers=bearer))
    assert example.request("HEAD", "/whose", headers=bearer).status_code == 503


def test_without_latchkey_nobody_is_let_in(example_to, bearer):
    assert_closed(example_to(free_port()), bearer)


def test_without_latchkeys_database_nobody_is_let_in(without_database, example_to, bearer):
    assert_closed(example_to(without_database.check_port), bearer)


def test_a_latchkey_that_does_not_answer_is_not_waited_for(example_to, bearer):
    with Slow.running() as slow:
        example = example_to(slow.server_port, seconds=0.5)
        assert_unavailable(example.request(path="/whose", headers=bearer))
        assert not slow.may_answer.is_set()
        slow.may_answer.set()


def test_a_latchkey_whose_answer_drips_is_not_waited_for(example_to, bearer):
    """Each read brings something in time. The whole answer does not."""
    with Dripping.running() as dripping:
        example = example_to(dripping.port, seconds=1)
        assert_unavailable(example.request(path="/whose", headers=bearer))
        assert not dripping.may_answer.is_set()


IDENTITY = dict.fromkeys(("X-Latchkey-Project", "X-Latchkey-User", "X-Latchkey-Scopes"), "forged")
GOOD = IDENTITY | {"X-Latchkey-Key": "key_2Zk9QmT4bXw81LsA"}
OTHERS: dict[str, tuple[int, dict[str, str]] | None] = {
    "hangs up": None,
    "200": (200, {"Content-Type": "text/html"}),
    "200 with a key": (200, GOOD),
    "204 without a key": (204, {}),
    "204 with something else for a key": (204, GOOD | {"X-Latchkey-Key": "forged"}),
    "206": (206, GOOD),
    "304": (304, GOOD),
    "401 of another server": (401, {"Content-Type": "application/json", "WWW-Authenticate": "Basic"}),
    "403 of another server": (403, GOOD),
    "404": (404, GOOD | {"X-Latchkey-Refusal": "{}"}),
    "429 of another server": (429, {"Retry-After": "1", "RateLimit": '"other";r=0'}),
    "500": (500, GOOD),
    "500 of Latchkey": (500, {"X-Latchkey-Refusal": "{}", "Content-Type": "application/json"}),
    "502": (502, {"Content-Type": "text/html"}),
    "503 of another server": (503, {"Retry-After": "1"}),
}


def test_another_server_in_latchkeys_place_lets_nobody_in(example_to, bearer):
    with Pretender.running() as pretender:
        example = example_to(pretender.server_port)
        pretender.says = (204, GOOD)
        assert example.request(path="/whose", headers=bearer).json()["Project"] == "forged", "it is asked"
        for pretender.says in OTHERS.values():
            answer = example.request(path="/whose", headers=bearer)
            assert_unavailable(answer)
            assert answer.headers.get("RateLimit") is None


def test_a_redirect_lets_nobody_in_wherever_it_leads(latchkey, example_to, bearer):
    with Pretender.running() as pretender:
        example = example_to(pretender.server_port)
        statuses = [301, 302, 303, 307, 308]
        for status in statuses:
            pretender.says = (status, {"Location": f"http://127.0.0.1:{latchkey.check_port}/api/v1/verify"})
            assert_unavailable(example.request(path="/whose", headers=bearer))
        assert len(pretender.received) == len(statuses)


def test_a_wrong_address_of_the_check_lets_nobody_in(latchkey, example_to, bearer):
    assert_unavailable(example_to(latchkey.check_port, path="/wrong").request(path="/whose", headers=bearer))


def test_after_a_restart_of_latchkey_no_request_fails(start_server, example_to, bearer):
    """The kept connections are dead then."""
    latchkey = start_server(TRUSTED_PROXIES="1")
    example = example_to(latchkey.check_port)
    assert example.request(path="/whose", headers=bearer).status_code == 200
    latchkey.stop()
    assert_unavailable(example.request(path="/whose", headers=bearer))
    latchkey.start()
    assert example.request(path="/whose", headers=bearer).status_code == 200


def test_checks_share_connections(latchkey, example_to, bearer):
    with Witness.running(latchkey.check_port) as witness:
        example = example_to(witness.server_port)
        for _ in range(5):
            assert example.request("POST", "/copies", headers=bearer).status_code == 200
            assert example.request(path="/whose").status_code == 401
    assert len(witness.received) == 10
    # A connection that is idle for seconds is closed, and the machine may be busy.
    assert witness.connections <= 3


CLIENTS, ROUNDS = 30, 5


def test_many_clients_at_once_open_no_more_connections_than_they_are(latchkey, example_to, bearer):
    """Unless told otherwise, HTTP clients keep few connections: Go two, httpx 20. That would be 142 and 70 here."""
    with Crowd.running(latchkey.check_port, CLIENTS) as crowd, ThreadPoolExecutor(CLIENTS) as pool:
        example = example_to(crowd.server_port)
        for _ in range(ROUNDS):
            asked = [pool.submit(example.request, path="/whose", headers=bearer) for _ in range(CLIENTS)]
            assert {each.result().status_code for each in asked} == {200}
        assert len(crowd.received) == ROUNDS * CLIENTS
        assert crowd.connections <= 2 * CLIENTS
