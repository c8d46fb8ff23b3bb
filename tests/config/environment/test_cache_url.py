"""CACHE_URL: a real Redis counts for the limits. These tests also show what works while it is down."""

import re
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pytest
import redis
from django.core.cache import cache
from django.db import connection

from apikeys.keys.services import create_key
from apikeys.secrets import secret_format
from apikeys.verify import failed_keys
from tests.support.calls.api_helpers import assert_error
from tests.support.gateways.proxies import Answer
from tests.support.programs.parallel import in_parallel
from tests.support.programs.postgres import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.nodb]

LOGIN, VERIFY = "/accounts/login/", "/api/v1/verify"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def log_in(server, email):
    """One wrong password, with a fresh form token."""
    page = server.request("GET", LOGIN)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body.decode())[1]
    headers = {
        "Cookie": page.headers["Set-Cookie"].partition(";")[0],
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = urlencode({"login": email, "password": "wrong", "csrfmiddlewaretoken": token})
    return Answer(*server.request("POST", LOGIN, body, headers))


def let_in(server, key) -> None:
    for _ in range(20):
        assert server.request("GET", VERIFY, headers=bearer(key.secret)).status == 204
    assert server.request("GET", "/api/v1/me", headers=bearer(key.secret)).status == 200


def seconds_of(act: Callable[[], None]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def stays_for_ever(client, key) -> bool:
    """Redis answers -1 for such a key, and -2 for a key that is gone: a lock may have been released since it was
    listed.
    """
    return client.ttl(key) == -1


def cached_rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM cache")
        return cursor.fetchone()[0]


def test_logins_and_failed_keys_are_limited_by_way_of_redis(start_server, redis_server, api_key):
    """T22: on four processes, with nothing in the database's table."""
    server = start_server(workers=4, CACHE_URL=redis_server.url, FAILED_KEYS_PER_MINUTE="20")
    answers = [log_in(server, "ada@example.com") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert 60 < int(answers[-1].headers["Retry-After"]) <= 300

    def burst() -> set[int]:
        wrong = bearer(secret_format.generate("lk_"))
        return set(in_parallel([lambda: server.request("GET", VERIFY, headers=wrong).status] * 24))

    deadline = time.monotonic() + 120
    while (found := burst()) != {429} and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found == {429}
    assert server.request("GET", VERIFY, headers=bearer(api_key.secret)).status == 204
    assert cached_rows() == 0
    with redis.Redis.from_url(redis_server.url) as client:
        keys = client.keys()
        assert [key for key in keys if b"allauth" in key]
        assert [key for key in keys if b"latchkey:failed" in key]
        assert not any(stays_for_ever(client, key) for key in keys)


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_without_redis_pages_that_need_it_are_503_and_verdicts_are_what_they_were(
    start_server, redis_server, api_key, how
):
    """T22: if a limit cannot be read, nobody may try."""
    server = start_server(CACHE_URL=redis_server.url, FAILED_KEYS_PER_MINUTE="3")
    assert log_in(server, "ada@example.com").status_code == 200
    # The time of the calls with Redis shows how busy the machine is.
    other = create_key(project=api_key.project, name="Other", by=api_key.created_by)
    usual = seconds_of(partial(let_in, server, other))
    getattr(redis_server, how)()
    began = time.monotonic()
    answer = log_in(server, "ada@example.com")
    assert time.monotonic() - began < 20 + 4 * usual
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert server.request("GET", LOGIN).status == 200
    assert server.request("GET", "/health/ready").status == 200

    def check_keys() -> None:
        statuses = [server.request("GET", VERIFY, headers=bearer("wrong")).status for _ in range(9)]
        assert set(statuses) == {401, 429}, "the process enforces its own limit"
        let_in(server, api_key)

    assert seconds_of(check_keys) < 25 + 4 * usual, "each of 30 calls waited a second for Redis"
    # The thread that writes the counts of calls continues, too.
    deadline = time.monotonic() + 60
    while api_key.last_used_at is None and time.monotonic() < deadline:
        time.sleep(0.1)
        api_key.refresh_from_db()
    assert api_key.last_used_at

    redis_server.stop()
    redis_server.start()
    assert log_in(server, "ada@example.com").status_code == 200


def test_redis_that_restarts_fails_no_login(start_server, redis_server):
    """The kept connection is dead after the restart."""
    server = start_server(CACHE_URL=redis_server.url)
    assert log_in(server, "ada@example.com").status_code == 200
    redis_server.stop()
    redis_server.start()
    assert log_in(server, "ada@example.com").status_code == 200


def test_sharing_with_redis_loses_nothing(redis_server, settings):
    """T22"""
    before = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "common.json_cache.RedisCache", "LOCATION": redis_server.url}}
    try:
        rounds = in_parallel([lambda: [failed_keys._add(1, {"192.0.2.1": 1}) for _ in range(10)]] * 8)
        assert cache.get("latchkey:failed:1:192.0.2.1") == sum(bool(sums) for each in rounds for sums in each)
    finally:
        settings.CACHES = before


def test_the_api_is_never_asked_about_redis(start_server, api_key):
    """Redis is unreachable from the start. Everything except the limits works."""
    server = start_server(CACHE_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert server.request("GET", VERIFY, headers=bearer(api_key.secret)).status == 204
    answer = server.request("GET", "/api/v1/me", headers=bearer(secret_format.generate("lk_")))
    assert_error(Answer(*answer), 401, "key_unknown")


def test_a_key_that_is_gone_does_not_stay_for_ever(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("a lock", 1, ex=60)
        client.set("left behind", 1)
        assert not stays_for_ever(client, "a lock")
        client.delete("a lock")
        assert not stays_for_ever(client, "a lock")
        assert stays_for_ever(client, "left behind")


def test_sums_and_locks_in_redis_end_by_themselves(redis_server, settings):
    """T22: they expire from the moment when they are written, so a process that dies leaves nothing behind for ever."""
    before = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "common.json_cache.RedisCache", "LOCATION": redis_server.url}}
    try:
        failed_keys._add(1, {"192.0.2.1": 1})
        assert failed_keys._lock_cache()
        with redis.Redis.from_url(redis_server.url) as client:
            keys = client.keys()
            assert len(keys) == 2
            assert not any(stays_for_ever(client, key) for key in keys)
    finally:
        settings.CACHES = before
