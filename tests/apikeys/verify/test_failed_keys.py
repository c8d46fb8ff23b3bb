"""T22: failed keys are limited by address, for all processes together. They never cause a valid key to be rejected."""

from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse

from apikeys.keys import pausing, services
from apikeys.secrets import secret_format
from apikeys.verify import failed_keys, verification
from apikeys.verify.integrations.decorators import api_key_required
from tests.apikeys.verify.test_integrations import Guarded, ask_rest
from tests.support.calls.api_client import API, bearer
from tests.support.calls.api_helpers import assert_error
from tests.support.gateways.proxies import Answer
from tests.support.programs.parallel import in_parallel
from tests.support.stored.statements import assert_statements

pytestmark = pytest.mark.django_db

LIMIT = 5
WAYS = [f"{API}/verify", f"{API}/me", f"{API}/files"]


@pytest.fixture(autouse=True)
def limit(settings, time_machine):
    """A limit of five, in the middle of a minute that does not end."""
    settings.FAILED_KEYS_PER_MINUTE = LIMIT
    time_machine.move_to("2026-03-10 12:00:30+00:00", tick=False)
    cache.clear()


def unknown() -> dict[str, str]:
    return bearer(secret_format.generate("lk_"))


def fail(client: Any, times: int = LIMIT, path: str = WAYS[0], **more: Any) -> list[int]:
    return [client.get(path, headers=unknown(), **more).status_code for _ in range(times)]


def assert_too_many(response: Any, wait: str = "30") -> None:
    message = assert_error(response, 429, "too_many_failures")
    assert "Wait a minute" in message
    assert response.headers["Retry-After"] == wait


# Counted and rejected calls


@pytest.mark.parametrize("path", WAYS)
def test_one_failed_key_too_many_is_429_and_a_good_key_is_let_in(client, api_key, path):
    """T22"""
    assert fail(client, path=path) == [401] * LIMIT
    assert_too_many(client.get(path, headers=unknown()))
    assert_too_many(client.get(path, headers=bearer("nothing of ours")))
    assert client.get(path, headers=bearer(api_key.secret)).status_code in {200, 204}


def test_malformed_ones_count_without_a_query(client):
    """T2, T22"""
    client.get(WAYS[0])
    with assert_statements(0):
        answers = [client.get(WAYS[0], headers=bearer(f"lk_{n}")) for n in range(LIMIT + 1)]
    assert_error(answers[LIMIT - 1], 401, "key_malformed")
    assert_too_many(answers[LIMIT])


def test_known_and_missing_keys_do_not_count_and_keep_their_codes(client, api_key, owner):
    """T22: the holder of a known key is known, and a call without a key guesses nothing."""
    pausing.pause_key(key=api_key, by=owner)
    for _ in range(LIMIT + 1):
        assert_error(client.get(WAYS[0]), 401, "key_missing")
        assert_error(client.get(WAYS[0], headers=bearer(api_key.secret)), 401, "key_paused")
    services.delete_key(key=api_key, by=owner)
    assert fail(client) == [401] * LIMIT
    assert fail(client, 1) == [429]
    assert_error(client.get(WAYS[0], headers=bearer(api_key.secret)), 401, "key_deleted")
    assert_error(client.get(WAYS[0]), 401, "key_missing")


def test_the_next_minute_begins_anew_when_retry_after_says(client, time_machine):
    """T22"""
    fail(client)
    time_machine.shift(29)
    assert_too_many(client.get(WAYS[0], headers=unknown()), "1")
    time_machine.shift(1)
    assert fail(client, 1) == [401]


def test_zero_switches_the_limit_off(client, settings):
    settings.FAILED_KEYS_PER_MINUTE = 0
    assert fail(client, 3 * LIMIT) == [401] * 3 * LIMIT
    assert not failed_keys.record_failure("127.0.0.1")


def test_the_integrations_answer_it_too(rf, client, api_key, settings):
    """T22: the example's project sets no limit of its own, so it has the default of sixty."""
    del settings.FAILED_KEYS_PER_MINUTE
    fail(client, failed_keys.DEFAULT_LIMIT)
    view = api_key_required(lambda request: HttpResponse("in"))
    answer = view(rf.get("/", headers=unknown()))
    assert_too_many(Answer(answer.status_code, answer.headers, answer.content))
    data, response = ask_rest(Guarded, rf, secret_format.generate("lk_"))
    assert (response.status_code, data["code"], response.headers["Retry-After"]) == (429, "too_many_failures", "30")
    assert ask_rest(Guarded, rf, api_key.secret)[1].status_code == 200


# The client's address


def test_without_trusted_proxies_a_forged_header_neither_escapes_nor_blames(client):
    """T22"""
    for number in range(LIMIT):
        client.get(WAYS[0], headers={**unknown(), "X-Forwarded-For": f"203.0.113.{number}"})
    assert_too_many(client.get(WAYS[0], headers={**unknown(), "X-Forwarded-For": "203.0.113.77"}))
    assert fail(client, 1, REMOTE_ADDR="203.0.113.1") == [401]


def test_behind_one_proxy_its_own_entry_counts(client, settings):
    """T22"""
    settings.TRUSTED_PROXIES = 1
    for number in range(LIMIT):
        client.get(WAYS[0], headers={**unknown(), "X-Forwarded-For": f"203.0.113.{number}, 198.51.100.1"})
    assert_too_many(client.get(WAYS[0], headers={**unknown(), "X-Forwarded-For": "198.51.100.1"}))
    other = client.get(WAYS[0], headers={**unknown(), "X-Forwarded-For": "198.51.100.1, 203.0.113.1"})
    assert_error(other, 401, "key_unknown")


def test_a_whole_ipv6_network_is_one_address(client):
    """T22"""
    for number in range(LIMIT):
        fail(client, 1, REMOTE_ADDR=f"2001:db8::{number}")
    assert fail(client, 1, REMOTE_ADDR="2001:db8:0:0:ffff::") == [429]
    assert fail(client, 1, REMOTE_ADDR="2001:db8:0:1::") == [401]


# The store


class Process:
    """The counts of another process, swapped in while it counts."""

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *error: object) -> None:
        self._swap()

    def _swap(self) -> None:
        failed_keys._counts, self._counts = self._counts, failed_keys._counts


def test_processes_add_what_they_count(db):
    """T22"""
    other = Process()
    for _ in range(LIMIT - 1):
        failed_keys.record_failure("192.0.2.1")
    with other:
        assert not failed_keys.record_failure("192.0.2.1")
        failed_keys.share()
    failed_keys.share()
    failed_keys.share()
    assert failed_keys.record_failure("192.0.2.1")
    with other:
        assert not failed_keys.record_failure("192.0.2.1"), "this process does not know the other's counts yet"
        failed_keys.share()
        assert failed_keys.record_failure("192.0.2.1")
    assert not failed_keys.record_failure("192.0.2.2")


def test_nothing_is_lost_when_all_share_at_once(transactional_db, settings, monkeypatch):
    """T22: the cache's own incr would lose counts, because it reads and then writes."""
    monkeypatch.setattr(failed_keys, "LOCK_TRIES", 10_000)  # a busy machine needs more tries
    settings.FAILED_KEYS_PER_MINUTE = 1000
    failed_keys.record_failure("192.0.2.1")
    window = failed_keys._window
    rounds = in_parallel([lambda: [failed_keys._add(window, {"192.0.2.1": 1}) for _ in range(5)]] * 8)
    assert all(sums for each in rounds for sums in each)
    assert cache.get(f"latchkey:failed:{window}:192.0.2.1") == 40


def test_a_cache_that_fails_leaves_each_process_its_own_limit(transactional_db, client, settings):
    """T22"""
    good = settings.CACHES
    settings.CACHES = {"default": {**good["default"], "LOCATION": "no_such_table"}}
    try:
        fail(client, LIMIT - 1)
        failed_keys.share()
        assert fail(client, 2) == [401, 429]
    finally:
        settings.CACHES = good
    failed_keys.share()
    assert cache.get(f"latchkey:failed:{failed_keys._window}:127.0.0.1") == LIMIT + 1, (
        "the process's own counts are kept"
    )


def test_a_process_that_died_while_it_shared_does_not_stop_the_others(db, monkeypatch):
    cache.add("latchkey:failed:lock", 1, timeout=failed_keys.LOCK_SECONDS)
    monkeypatch.setattr(failed_keys, "LOCK_RETRY_SECONDS", 0)
    failed_keys.record_failure("192.0.2.1")
    failed_keys.share()
    assert failed_keys._counts["192.0.2.1"].new == 1
    cache.delete("latchkey:failed:lock")
    failed_keys.share()
    assert (failed_keys._counts["192.0.2.1"].new, failed_keys._counts["192.0.2.1"].shared) == (0, 1)


def test_memory_is_bounded(settings, monkeypatch):
    monkeypatch.setattr(failed_keys, "MOST_COUNTED", 10)
    for number in range(20):
        for _ in range(LIMIT + 1):
            failed_keys.record_failure(f"192.0.2.{number}")
    assert len(failed_keys._counts) == 10
    assert failed_keys.record_failure("192.0.2.1")
    assert not failed_keys.record_failure("192.0.2.19")


def test_a_good_key_costs_the_counter_nothing(api_key):
    """T3, T22"""
    with assert_statements(1):
        assert verification.verify(f"Bearer {api_key.secret}", "192.0.2.1").identity
    assert failed_keys._counts == {}
