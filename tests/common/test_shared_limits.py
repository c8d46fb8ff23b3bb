"""T22: all processes share the limits, and their counters stay as long as needed."""

import re
import time
from collections import Counter
from functools import partial
from urllib.parse import urlencode

import pytest
from django.core.cache import cache, caches
from django.db import connection
from django.urls import reverse

from apikeys.secrets import secret_format
from common.json_cache import CacheFull
from tests.support.factories import UserFactory
from tests.support.people.accounts import LOGIN, PASSWORD, log_in
from tests.support.programs.parallel import in_parallel

VERIFY = reverse("verify")


def test_processes_share_the_limits_also_in_a_parallel_burst(start_server, person):
    """T22: 20 tries at once on four processes, five of which are allowed."""
    # With this many threads, none of the twenty is rejected for lack of a slot to hash its password.
    server = start_server(workers=4, THREADS="80")
    page = server.request("GET", LOGIN)
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body.decode())[1]
    body = urlencode({"login": person.email, "password": "wrong", "csrfmiddlewaretoken": token})
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    answers = in_parallel([lambda: server.request("POST", LOGIN, body, headers)] * 20)
    found = sorted(answer.status for answer in answers)
    print("answers:", found)
    assert found.count(200) <= 5
    assert found == [200] * found.count(200) + [429] * found.count(429)
    assert found.count(200) >= 1


def test_four_processes_hold_one_limit_on_failed_keys(start_server, api_key):
    """T22: each process enforces its limit at once, and all of them together after a flush. Separate limits would let
    120 tries pass.

    Two processes serve the pages' port, and two serve the check's port.
    """
    server = start_server(workers=2, check_workers=2, FAILED_KEYS_PER_MINUTE="30", TRUSTED_PROXIES="1")
    # All tries must fall into one minute. If a minute ends meanwhile, the test starts again from another address.
    tries = (fail_until_refused(server, f"203.0.113.{number}") for number in range(10))
    unknown, last = next(found for found in tries if found)
    print("401:", unknown)
    assert 30 <= unknown < 80
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    for path, status in ((VERIFY, 204), ("/api/v1/me", 200)):
        assert server.request("GET", path, headers={"Authorization": f"Bearer {api_key.secret}"}).status == status


def fail_until_refused(server, address):
    """The number of failed keys that were answered 401 until all eight calls at once were answered 429, and one of
    those answers. None if a minute ended meanwhile.
    """
    minute = int(time.time()) // 60
    headers = {"Authorization": f"Bearer {secret_format.generate('lk_')}", "X-Forwarded-For": address}
    sent = unknown = 0
    while True:
        ports = [server.port, server.check_port] * 4
        answers = in_parallel([partial(server.request, "GET", VERIFY, headers=headers, port=port) for port in ports])
        found = Counter(answer.status for answer in answers)
        sent, unknown = sent + 8, unknown + found[401]
        deadline = time.monotonic() + 50
        while cache.get(f"latchkey:failed:{minute}:{address}", 0) < sent and int(time.time()) // 60 == minute:
            assert time.monotonic() < deadline, "the processes do not add up their counts"
            time.sleep(0.05)
        if int(time.time()) // 60 != minute:
            return None
        assert set(found) <= {401, 429}
        if not found[401]:
            return unknown, answers[0]


# The table, when it is full


@pytest.fixture
def small(db, monkeypatch):
    """The settings' cache with only fifty rows."""
    monkeypatch.setattr(type(caches["default"]), "_max_entries", 50, raising=False)
    monkeypatch.delattr(caches["default"], "_max_entries")
    return caches["default"]


def rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM cache")
        return cursor.fetchone()[0]


def test_counters_that_have_expired_do_not_pile_up(small):
    """T22"""
    for number in range(50):
        small.set(f"old-{number}", 1, timeout=-1)
    for number in range(10):
        small.set(f"new-{number}", 1)
    assert rows() == 10
    assert len(small.get_many(f"new-{number}" for number in range(10))) == 10


def test_counters_of_limits_are_not_pushed_out_by_a_crowd(small):
    """T22: this includes counters whose names sort first, which Django's own table deletes first."""
    small.set("a-limit", [1.5])
    for number in range(49):
        small.set(f"limit-{number}", [2.5])
    for number in range(100):
        with pytest.raises(CacheFull):
            small.set(f"made-up-{number}", [1.5])
    assert small.get("a-limit") == [1.5]
    small.set("a-limit", [1.5, 2.5])
    assert (small.get("a-limit"), rows()) == ([1.5, 2.5], 50)


def test_a_full_table_still_takes_locks_up_to_a_bound(small):
    """T22: a known limit is counted under a lock."""
    for number in range(50):
        small.set(f"limit-{number}", 1)
    assert small.add("lock-0", 1)
    assert not small.add("lock-0", 1)
    for number in range(1, 5):
        assert small.add(f"lock-{number}", 1)
    with pytest.raises(CacheFull):
        small.add("lock-5", 1)
    assert rows() == 55


def test_a_login_limit_holds_while_the_table_is_full(small, person, client):
    """T22: a crowd of strangers does not lift anybody's limit. A try that cannot be counted is rejected with 503."""
    found = [log_in(client, person, "wrong").status_code for _ in range(6)]
    assert found == [200] * 5 + [429]
    while rows() < 50:
        small.set(f"{rows()}-comes-before-every-limits-name", 1)
    assert log_in(client, person).status_code == 429
    client.raise_request_exception = False
    elsewhere = log_in(client, UserFactory(email="eve@example.com", password=PASSWORD))
    assert (elsewhere.status_code, elsewhere.headers["Retry-After"]) == (503, "5")
    assert rows() <= 55
    small.clear()
    assert log_in(client, person).status_code == 302
