"""T22: limits hold for all processes together, and their counters stay as long as they must."""

import re
import time
from collections import Counter
from functools import partial
from urllib.parse import urlencode

from django.core.cache import cache
from django.urls import reverse

from apikeys import secret_format
from tests.accounts import LOGIN
from tests.parallel import in_parallel

VERIFY = reverse("verify")


def test_processes_share_the_limits_also_in_a_parallel_burst(start_server, person):
    """T22; 20 at once, on four processes, of which five may be tried."""
    # So many threads that none of the twenty is refused for want of a slot to hash its password.
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
    """T22; each holds its own at once, and all of them together a flush later. On their own they let 120 through.

    Two of them serve the pages' port, two the check's.
    """
    server = start_server(workers=2, check_workers=2, FAILED_KEYS_PER_MINUTE="30", TRUSTED_PROXIES="1")
    # It all has to lie in one minute: from another address, it begins anew where one has ended meanwhile.
    tries = (fail_until_refused(server, f"203.0.113.{number}") for number in range(10))
    unknown, last = next(found for found in tries if found)
    print("401:", unknown)
    assert 30 <= unknown < 80
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    for path, status in ((VERIFY, 204), ("/api/v1/me", 200)):
        assert server.request("GET", path, headers={"Authorization": f"Bearer {api_key.secret}"}).status == status


def fail_until_refused(server, address):
    """How many failed keys were answered 401 until eight at once were 429, and one of those; None if a minute ended."""
    minute = int(time.time()) // 60
    headers = {"Authorization": f"Bearer {secret_format.generate('lk_')}", "X-Forwarded-For": address}
    sent = unknown = 0
    while True:
        ports = [server.port, server.check_port] * 4
        answers = in_parallel([partial(server.request, "GET", VERIFY, headers=headers, port=port) for port in ports])
        found = Counter(answer.status for answer in answers)
        sent, unknown = sent + 8, unknown + found[401]
        deadline = time.monotonic() + 25
        while cache.get(f"latchkey:failed:{minute}:{address}", 0) < sent and int(time.time()) // 60 == minute:
            assert time.monotonic() < deadline, "the processes do not add up what they count"
            time.sleep(0.05)
        if int(time.time()) // 60 != minute:
            return None
        assert set(found) <= {401, 429}
        if not found[401]:
            return unknown, answers[0]


def test_counters_that_have_expired_do_not_pile_up(settings, db):
    """T22"""
    from django.core.cache.backends.db import DatabaseCache
    from django.db import connection

    small = DatabaseCache("cache", {"OPTIONS": {"MAX_ENTRIES": 50}})
    for number in range(60):
        small.set(f"old-{number}", 1, timeout=-1)
    for number in range(10):
        small.set(f"new-{number}", 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM cache")
        assert cursor.fetchone()[0] <= 51
    assert len(small.get_many(f"new-{number}" for number in range(10))) == 10


def test_counters_of_limits_are_not_pushed_out_by_a_crowd(db):
    """T22; a cache that holds few entries forgets its oldest for whoever tries many addresses."""
    cache.set("limit:victim", 5)
    for number in range(400):
        cache.set(f"limit:made-up-{number}", 1)
    assert cache.get("limit:victim") == 5
