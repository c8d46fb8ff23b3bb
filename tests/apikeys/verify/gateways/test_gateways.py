"""docs/gateways: each proxy as documented, in front of an API, with a real Latchkey."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from apikeys.keys import pausing, services
from apikeys.lifetimes.ends import change_end
from apikeys.secrets import secret_format
from tests.support.calls.api_helpers import RawAnswer, assert_error
from tests.support.environment import lacking
from tests.support.gateways.gateway_attacks import head, send, status_of
from tests.support.gateways.proxies import Answer, Envoy, Nginx, Witness, find
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import Server

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

STRIPPED = ["X-Latchkey-Key", "x-latchkey-project", "X-LATCHKEY-USER", "X_Latchkey_Key", "X-Latchkey_Project"]
STRIPPED += ["X_LATCHKEY-USER", "X-Latchkey-Refusal", "X-Latchkey-Expires", "X_Latchkey_Expires"]


def assert_unavailable(answer: Answer) -> None:
    assert_error(answer, 503, "unavailable")
    assert answer.headers.get_all("Retry-After") == ["5"]


def test_a_good_key_leads_through_and_says_whose_request_it_is(gateway, api, api_key, bearer):
    answer = gateway.request("GET", "/a/path?with=query&key=%20", headers={**bearer, "X-Own": "1"})
    assert (answer.status_code, answer.content) == (200, b"the API's own answer")
    [seen] = api.received
    assert (seen.method, seen.path, seen.body) == ("GET", "/a/path?with=query&key=%20", "")
    assert seen.header("X-Own") == "1"
    identity = {name.lower(): value for name, value in seen.headers if "latchkey" in name.lower()}
    assert identity == {
        "x-latchkey-key": api_key.public_id,
        "x-latchkey-project": api_key.project.public_id,
        "x-latchkey-user": api_key.created_by.public_id,
        "x-latchkey-scopes": "*",
    }


def test_a_key_that_ends_soon_says_so_to_the_api(gateway, api, api_key, owner, bearer):
    """P14"""
    end = datetime.now(UTC) + timedelta(days=3)
    change_end(key=api_key, expires_at=end, by=owner)
    assert gateway.request(headers={**bearer, "X-Latchkey-Expires": "forged"}).status_code == 200
    [seen] = api.received
    assert seen.header("X-Latchkey-Expires") == formatdate(end.timestamp(), usegmt=True)


def test_method_and_body_arrive_as_they_were_sent(gateway, api, bearer):
    body = "x" * 200_000
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert gateway.request(method, "/things", body=body, headers=bearer).status_code == 200
        seen = api.received.pop()
        assert (seen.method, seen.path, seen.body) == (method, "/things", body)


def test_a_chunked_body_arrives_and_is_not_sent_to_the_check(server, gateway_to, api, bearer):
    with Witness.running(server.check_port) as witness:
        gateway = gateway_to(witness.server_port)
        assert gateway.request("POST", "/things", body=[b"a" * 5_000] * 3, headers=bearer).status_code == 200
    assert [seen.body for seen in api.received] == ["a" * 15_000]
    assert [asked.body for asked in witness.received] == [""]


MEGABYTE = 1_000_000
# nginx's limit is 1 MB, unless an operator raises it for the API.
LARGER_BODIES = {"location / {": "location / {\n        client_max_body_size 50m;"}


def test_a_large_body_arrives_whole(server, gateway_to, api, bearer):
    """T44: the check does not get the body, so it must not limit the body's size."""
    gateway = gateway_to(server.check_port, changes=LARGER_BODIES)
    for size in (3 * MEGABYTE, 20 * MEGABYTE):
        assert gateway.request("POST", "/things", body="x" * size, headers=bearer).status_code == 200
        assert len(api.received.pop().body) == size
    assert gateway.request("POST", "/things", body=[b"x" * MEGABYTE] * 3, headers=bearer).status_code == 200
    assert len(api.received.pop().body) == 3 * MEGABYTE


def test_a_body_above_nginxs_limit_is_too_large_and_never_unavailable(gateway, api, bearer):
    answer = gateway.request("POST", "/things", body="x" * 3 * MEGABYTE, headers=bearer)
    assert answer.status_code == (413 if gateway.program == "nginx" else 200)
    assert len(api.received) == (0 if gateway.program == "nginx" else 1)


class BesideAnotherServer(Nginx):
    """nginx with a second server on the same port. That server comes first and allows underscores in header names."""

    parameters = ""

    def fitted(self, text: str) -> str:
        other = f"listen 127.0.0.1:{self.port} {self.parameters}; server_name other; underscores_in_headers on;"
        return f"server {{ {other} return 404; }}\n{super().fitted(text)}"


class BesideTheDefaultServer(BesideAnotherServer):
    parameters = "default_server"


@pytest.mark.parametrize("kind", [BesideAnotherServer, BesideTheDefaultServer])
def test_nginx_drops_underscores_whatever_another_server_of_its_port_says(server, tmp_path, api, bearer, kind):
    """T44: nginx uses the default server of a port to decide whether underscores may pass."""
    if not find("nginx"):
        lacking("nginx")
    gateway = kind(tmp_path, latchkey_port=server.check_port, api_port=api.server_port)
    try:
        if kind is BesideTheDefaultServer:
            with pytest.raises(AssertionError, match="duplicate default server"):
                gateway.start()
            return
        gateway.start()
        assert gateway.request(headers={**bearer, "X_Latchkey_Key": "forged", "Host": "api"}).status_code == 200
    finally:
        gateway.stop()
    [seen] = api.received
    assert "forged" not in str(seen)


PREFIXED = {"path_override: /api/v1/verify/": "path_prefix: /api/v1/verify"}


def test_an_envoy_that_adds_the_clients_path_is_answered_alike(server, tmp_path, api, api_key, owner, bearer):
    """T44: older Envoys always add the path. Path and query come from the client and are never a key."""
    if not find("envoy"):
        lacking("envoy")
    with Witness.running(server.check_port) as witness:
        gateway = Envoy(tmp_path, latchkey_port=witness.server_port, api_port=api.server_port, changes=PREFIXED)
        gateway.start()
        try:
            for path in ("/v1/orders?x=1", "/", "/../health/live", "/%2e%2e/me?x=%00", "//a", "/" + "a" * 8_000):
                for method in ("GET", "POST", "OPTIONS"):
                    assert gateway.request(method, path, headers=bearer).status_code == 200, path
                assert witness.received[-1].path == f"/api/v1/verify{path}"
                assert [seen.path for seen in api.received] == [path] * 3
                api.received.clear()
            assert_error(gateway.request(path=f"/?key={api_key.secret}"), 401, "key_missing")
            pausing.pause_key(key=api_key, by=owner)
            assert_error(gateway.request(path="/v1/orders?x=1", headers=bearer), 401, "key_paused")
        finally:
            gateway.stop()
    assert api.received == []


def test_the_secret_goes_no_further_than_the_check(gateway, api, api_key, bearer):
    gateway.request(headers=bearer)
    [seen] = api.received
    assert seen.header("Authorization") is None
    assert api_key.secret not in str(seen)


@pytest.mark.parametrize("state", ["paused", "deleted", "unknown", "malformed", "missing"])
def test_a_refusal_shows_checks_own(gateway, api, api_key, owner, bearer, state):
    """assert_error checks the body, WWW-Authenticate, X-Request-Id and Cache-Control."""
    if state == "paused":
        pausing.pause_key(key=api_key, by=owner)
    if state == "deleted":
        services.delete_key(key=api_key, by=owner)
    sent = {
        "unknown": {"Authorization": f"Bearer {secret_format.generate('lk_')}"},
        "malformed": {"Authorization": "Basic eDp5"},
        "missing": {},
    }.get(state, bearer)
    for answer in (gateway.request(headers=sent), gateway.request("POST", "/", body="x" * 10_000, headers=sent)):
        assert_error(answer, 401, f"key_{state}")
        assert len(answer.headers.get_all("WWW-Authenticate")) == 1
        assert not [name for name in answer.headers if "latchkey" in name.lower()]
    assert gateway.request("HEAD", headers=sent).status_code == 401
    assert api.received == []


def test_a_malformed_key_is_told_its_fault(gateway, api, api_key):
    """The client gets the check's message, however the proxy treats the bodies of refusals."""
    secret = api_key.secret
    for sent, words in (
        (f'Bearer "{secret}"', "quotes"),
        (f"Bearer Bearer {secret}", "there twice"),
        (f"Bearer {secret[:-1]}", "cut off"),
        ("Basic YWRhOmFkYQ==", "user name and password"),
        (f"Bearer {secret[:7]}{chr(0x2022) * 8}{secret[-4:]}".encode().decode("latin-1"), "short form"),
    ):
        answer = gateway.request(headers={"Authorization": sent})
        assert words in assert_error(answer, 401, "key_malformed")
    assert api.received == []


def test_a_key_with_a_control_character_is_no_key(gateway, api, api_key):
    """Caddy and Envoy reject such a header themselves. The other proxies must not take it for a failure of Latchkey."""
    secret = api_key.secret
    # Envoy drops a CR.
    for character in "\t\x01\x1f\x7f" + "\r" * (gateway.program != "envoy"):
        for value in (f"{secret}{character}x", f"{secret[:9]}{character}{secret[9:]}"):
            received = send(gateway, head("Host: a", f"Authorization: Bearer {value}", "Connection: close"))
            if status_of(received) != 400:
                assert "control character" in assert_error(RawAnswer(received), 401, "key_malformed")
    assert api.received == []


def test_a_key_of_a_deactivated_creator_is_refused_with_403(gateway, api, owner, bearer):
    owner.is_active = False
    owner.save()
    assert_error(gateway.request(headers=bearer), 403, "forbidden")
    assert api.received == []


def test_one_failed_key_too_many_is_429_and_a_good_key_is_let_in(start_server, gateway_to, api, bearer):
    """T22: counted for the client's address, not for the proxy's address."""
    server = start_server(FAILED_KEYS_PER_MINUTE="3", TRUSTED_PROXIES="1")
    gateway = gateway_to(server.check_port)
    wrong = {"Authorization": "Bearer wrong"}
    names = ("X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For", "X-Real-IP", "Forwarded")
    # If a minute ends between the tries, counting starts again once.
    answers = [gateway.request(headers=wrong | dict.fromkeys(names, f"203.0.113.{n}")) for n in range(9)]
    assert_error(answers[0], 401, "key_malformed")
    too_many = [answer for answer in answers if answer.status_code != 401]
    assert len(too_many) >= 3
    for answer in too_many:
        assert_error(answer, 429, "too_many_failures")
        [wait] = answer.headers.get_all("Retry-After")
        assert 1 <= int(wait) <= 60
        assert not [name for name in answer.headers if "latchkey" in name.lower()]
    assert gateway.request("HEAD", headers=wrong).status_code in {401, 429}
    assert api.received == []
    assert gateway.request(headers=bearer).status_code == 200
    assert server.request("GET", "/api/v1/verify", headers={"Authorization": "Bearer wrong"}).status == 401


def test_a_pause_holds_for_the_very_next_request(gateway, api, api_key, owner, bearer):
    for _ in range(5):
        assert gateway.request(headers=bearer).status_code == 200
        pausing.pause_key(key=api_key, by=owner)
        assert_error(gateway.request(headers=bearer), 401, "key_paused")
        pausing.resume_key(key=api_key, by=owner)
    assert len(api.received) == 5


def test_headers_that_a_client_forges_do_not_arrive(gateway, api, bearer):
    """An API on WSGI cannot tell X_Latchkey_Key from X-Latchkey-Key."""
    forged = dict.fromkeys(STRIPPED, "forged")
    assert gateway.request(headers={**bearer, **forged}).status_code == 200
    [seen] = api.received
    assert "forged" not in str(seen)
    assert_error(gateway.request(headers=forged), 401, "key_missing")
    assert len(api.received) == 1


def test_a_client_cannot_have_the_identity_taken_out_on_the_way(gateway, api, api_key, bearer):
    """Proxies remove the headers that Connection names (RFC 9110, 7.6.1), which could include their own headers."""
    names = "X-Latchkey-Key, X-Latchkey-Project, X-Latchkey-User"
    assert gateway.request(headers={**bearer, "Connection": f"close, {names}"}).status_code == 200
    [seen] = api.received
    assert seen.header("X-Latchkey-Key") == api_key.public_id
    assert seen.header("X-Latchkey-Project") == api_key.project.public_id
    assert seen.header("X-Latchkey-User") == api_key.created_by.public_id


def test_each_request_is_one_question_without_its_body(server, gateway_to, api, owner, api_key, bearer):
    with Witness.running(server.check_port) as witness:
        gateway = gateway_to(witness.server_port)
        forged = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https", "Cookie": "a=b"}
        assert gateway.request("POST", "/", body="x" * 10_000, headers={**bearer, **forged}).status_code == 200
        pausing.pause_key(key=api_key, by=owner)
        assert_error(gateway.request("POST", "/", body="x", headers=bearer), 401, "key_paused")
        assert_error(gateway.request(), 401, "key_missing")
    assert [(asked.path, asked.body) for asked in witness.received] == [(gateway.check_path, "")] * 3
    assert [asked.header("Authorization") for asked in witness.received] == [*[bearer["Authorization"]] * 2, None]
    for asked in witness.received:
        assert asked.header("X-Forwarded-For") == "127.0.0.2"
        assert asked.header("X-Forwarded-Proto") == "http"


def test_checks_share_a_connection(server, gateway_to, bearer):
    with Witness.running(server.check_port) as witness:
        gateway = gateway_to(witness.server_port)
        for _ in range(5):
            assert gateway.request(headers=bearer).status_code == 200
            assert gateway.request().status_code == 401
    assert (len(witness.received), witness.connections) == (10, 1)


@pytest.fixture(scope="module")
def restartable(django_db_setup, static_files) -> Iterator[Server]:
    """One Latchkey for all kinds of gateway. It restarts once for each of them."""
    with Server.started() as server:
        yield server


def test_after_a_restart_of_latchkey_no_request_fails(transactional_db, restartable, gateway_to, bearer):
    """The proxy's kept connection is dead then."""
    gateway = gateway_to(restartable.check_port)
    assert gateway.request(headers=bearer).status_code == 200
    restartable.stop()
    restartable.start()
    assert gateway.request(headers=bearer).status_code == 200


def test_without_latchkey_nobody_is_let_in(gateway_to, api, bearer):
    gateway = gateway_to(free_port())
    assert_unavailable(gateway.request(headers=bearer))
    assert_unavailable(gateway.request("POST", "/", body="x"))
    assert api.received == []


def test_without_latchkeys_database_nobody_is_let_in(without_database, gateway_to, api, bearer):
    assert_unavailable(gateway_to(without_database.check_port).request(headers=bearer))
    assert api.received == []


def test_a_latchkey_that_does_not_answer_is_not_waited_for(gateway_to, api, bearer):
    with Witness.running(seconds=50) as witness:
        gateway = gateway_to(witness.server_port, changes={" 10s": " 1s"})
        assert_unavailable(gateway.request(headers=bearer))
        assert not witness.has_spoken
    assert api.received == []


def test_another_server_in_latchkeys_place_lets_nobody_in(gateway_to, api, bearer):
    with Witness.running() as witness:
        gateway = gateway_to(witness.server_port)
        for witness.says in (200, 204, 302, 404, 429, 500, 502):
            answer = gateway.request(headers=bearer)
            assert answer.status_code >= 300
            if gateway.program in {"haproxy", "envoy"}:
                assert_unavailable(answer)
    assert len(witness.received) >= 6
    assert api.received == []


def test_the_apis_own_failures_are_its_own(gateway, api, bearer):
    for status in (401, 403, 404, 500, 503):
        answer = gateway.request("GET", f"/status/{status}", headers=bearer)
        assert (answer.status_code, answer.content) == (status, b"the API's own answer")
        assert answer.headers.get_all("WWW-Authenticate") == ["Own"]
    assert len(api.received) == 5
