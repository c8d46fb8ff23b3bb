"""`/metrics` tells what happens on a server to whoever has the token, and to nobody else. It answers in any weather."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from apikeys.keys.pausing import pause_key
from apikeys.keys.services import create_key
from apikeys.secrets.secret_format import generate
from common.outbox.models import Lane
from config.housekeeping import TASKS
from config.monitoring import metrics
from tests.support.calls.api_helpers import send_raw
from tests.support.environment import ON_SQLITE
from tests.support.programs.postgres import free_port
from tests.support.programs.processes import CHECK, workers
from tests.support.programs.servers import Server

TOKEN = "a-token-of-the-tests-0123456789"
PATH = "/metrics"


def scrape(server: Server, token: str = TOKEN, **headers: str) -> dict[str, float]:
    """The value of each sample, by its name with its label."""
    port = server.port if server.only == "pages" else server.check_port
    answer = server.request("GET", PATH, headers={"Authorization": f"Bearer {token}", **headers}, port=port)
    assert answer.status == 200
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def increase(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}


# Who may read


@pytest.fixture(scope="module")
def with_metrics(static_files):
    """A server with METRICS_TOKEN, whose database is away: a scrape never asks it."""
    with Server.started(
        METRICS_TOKEN=TOKEN, DATABASE_URL=f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    ) as server:
        yield server


@pytest.mark.nodb
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b"Authorization: Bearer"],
        [b"Authorization: Bearer "],
        [b"Authorization: Bearer " + TOKEN[:-1].encode()],
        [b"Authorization: Bearer " + TOKEN.encode() + b"x"],
        [b"Authorization: Bearer " + TOKEN.upper().encode()],
        [b"Authorization: Basic " + TOKEN.encode()],
        [b"Authorization: " + TOKEN.encode()],
        [b"Authorization: Bearer x " + TOKEN.encode()],
        [b"Authorization: Bearer \xff\xfe"],
        ["Authorization: Bearer ü".encode()],
        [b"Authorization: Bearer " + b"x" * 10_000],
        [b"Authorization: Bearer x", b"Authorization: Bearer y"],
        [b"X-Token: " + TOKEN.encode()],
        [b"Cookie: token=" + TOKEN.encode()],
    ],
)
def test_without_the_token_nobody_learns_more_than_that(with_metrics, headers):
    request = b"\r\n".join([b"GET /metrics HTTP/1.1", b"Host: x", *headers, b"Connection: close", b"", b""])
    answer = send_raw(with_metrics, request, port=with_metrics.check_port)
    assert answer.status_code == 401
    assert answer.content == b"Unauthorized\n"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
    assert "latchkey" not in str(answer.headers)


@pytest.mark.nodb
def test_the_token_is_no_parameter_and_the_query_says_nothing(with_metrics):
    port = with_metrics.check_port
    assert with_metrics.request("GET", f"{PATH}?token={TOKEN}", port=port).status == 401
    assert with_metrics.request("GET", f"{PATH}?x=%00", headers=bearer(), port=port).status == 200
    scheme = {"Authorization": f"bearer   {TOKEN}"}
    assert with_metrics.request("GET", PATH, headers=scheme, port=port).status == 200


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.nodb
def test_head_has_no_body_and_other_methods_are_refused(with_metrics):
    port = with_metrics.check_port
    head = with_metrics.request("HEAD", PATH, headers=bearer(), port=port)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 1000
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "METRICS"):
        answer = with_metrics.request(method, PATH, "x=1", headers=bearer(), port=port)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), method
        assert with_metrics.request(method, PATH, port=port).status == 401, method


@pytest.mark.nodb
@pytest.mark.parametrize("path", ["/metrics/", "/Metrics", "//metrics", "/metrics/x", "/metrics;", "/api/v1/metrics"])
def test_no_other_path_leads_to_it(with_metrics, path):
    for port in (with_metrics.port, with_metrics.check_port):
        assert with_metrics.request("GET", path, headers=bearer(), port=port).status in {302, 404}


@pytest.mark.nodb
def test_the_port_of_the_pages_has_no_metrics(with_metrics):
    assert with_metrics.request("GET", PATH, headers=bearer()).status in {302, 404}


@pytest.mark.nodb
def test_until_there_is_a_token_there_is_no_such_address(server):
    for headers in ({}, bearer(), {"Authorization": "Bearer "}):
        answer = server.request("GET", PATH, headers=headers, port=server.check_port)
        nothing = server.request("GET", "/no-such-thing", headers=headers, port=server.check_port)
        assert answer.status == nothing.status == 404


@pytest.mark.nodb
def test_the_log_shows_who_tries_without_the_token(with_metrics):
    with_metrics.request("GET", PATH, headers={"Authorization": "Bearer wrong"}, port=with_metrics.check_port)
    lines = [line for line in with_metrics.log_text().splitlines() if "metrics_refused" in line]
    assert lines
    assert "address='127.0.0.1'" in lines[-1]
    assert not [line for line in lines if TOKEN in line]


@pytest.mark.nodb
@pytest.mark.parametrize("given", [None, "", "Bearer", f"Bearer {TOKEN}x", "Bearer \udcff", f"Bearer {TOKEN[:-1]}"])
def test_a_wrong_token_is_wrong(settings, given):
    settings.METRICS_TOKEN = TOKEN
    assert not metrics._is_right(given)
    assert metrics._is_right(f"Bearer {TOKEN}")


# In any weather


@pytest.mark.nodb
def test_without_its_database_a_scrape_answers_and_counts_the_errors(with_metrics):
    before = scrape(with_metrics)
    for _ in range(3):
        assert with_metrics.check(generate("lk_")).status == 503
    found = increase(before, scrape(with_metrics))
    assert found["latchkey_checks_total unavailable"] == 3
    assert found["latchkey_database_errors_total"] >= 3
    assert "latchkey_keys active" not in found, "nobody could count them"


@pytest.mark.nodb
def test_a_scraper_may_ask_for_openmetrics(with_metrics):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0", **bearer()}
    answer = with_metrics.request("GET", PATH, headers=accept, port=with_metrics.check_port)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in read_openmetrics(answer.body.decode())} > {"latchkey_checks", "latchkey_workers"}


@pytest.mark.skipif(ON_SQLITE, reason="a check of SQLite waits for no lock")
def test_while_all_threads_of_the_check_hang_a_scrape_and_liveness_answer(start_server, api_key):
    """A check waits for a locked table for 3 seconds. A busy machine may answer later: it is tried again."""
    server = start_server(METRICS_TOKEN=TOKEN, THREADS="2")
    hanging = 0
    for _ in range(5):
        hanging = hanging_after_a_scrape(server, api_key.secret)
        if hanging >= 2:
            break
    assert hanging >= 2, "the checks were answered before the scrape"
    assert server.check(api_key.secret).status == 204


def hanging_after_a_scrape(server: Server, secret: str) -> int:
    """How many of many checks that wait for a lock were not answered yet when a scrape and liveness were."""
    with ThreadPoolExecutor(12) as pool:
        with transaction.atomic():
            connection.cursor().execute("LOCK TABLE apikeys_apikey IN ACCESS EXCLUSIVE MODE")
            checks = [pool.submit(server.check, secret) for _ in range(12)]
            wait_for_waiting(2)
            found = scrape(server)
            assert server.request("GET", "/health/live", port=server.check_port).status == 200
            hanging = sum(not check.done() for check in checks)
        statuses = {check.result().status for check in checks}
    assert "latchkey_workers check" in found
    assert statuses <= {204, 503}
    return hanging


def wait_for_waiting(number: int) -> None:
    """Returns when so many connections wait for the lock of the test's transaction."""
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute("SELECT count(*), pg_sleep(0.02) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                return
    raise AssertionError("no check waits")


# What they tell


def test_the_numbers_are_the_sum_of_all_processes(start_server, api_key, project, owner):
    """A check more or less shows, whichever of the processes did it."""
    server = start_server(METRICS_TOKEN=TOKEN, workers=2, check_workers=2, VERDICT_LEASE="true")
    paused = create_key(project=project, name="Paused", by=owner)
    assert pause_key(key=paused.key, by=owner)
    before = scrape(server)
    for _ in range(20):
        assert server.check(api_key.secret).status == 204
        assert server.check(paused.secret).status == 401
        assert server.check(generate("lk_")).status in {401, 429}
    found = wait_for(server, before, "latchkey_checks_total allowed", 20)
    assert found["latchkey_checks_total key_paused"] == 20
    assert found["latchkey_checks_total key_unknown"] == 20
    assert found["latchkey_check_seconds_count"] == found["latchkey_check_seconds_bucket +Inf"] == 60
    assert found["latchkey_check_seconds_sum"] > 0
    now = scrape(server)
    assert (now["latchkey_workers pages"], now["latchkey_workers check"]) == (2, 2)


def wait_for(server: Server, before: dict[str, float], name: str, least: float) -> dict[str, float]:
    """The increase since `before`, once all processes have written what they counted."""
    found: dict[str, float] = {}
    for _ in range(200):
        found = increase(before, scrape(server))
        if found.get(name, 0) >= least:
            return found
        threading.Event().wait(0.1)
    raise AssertionError((name, found))


def test_no_number_falls_when_a_worker_is_killed(start_server, api_key):
    server = start_server(METRICS_TOKEN=TOKEN, check_workers=2)
    before = scrape(server)
    for _ in range(10):
        server.check(api_key.secret)
    wait_for(server, before, "latchkey_checks_total allowed", 10)
    assert server.process
    [first, *_] = workers(server.process.pid, CHECK)
    os.kill(first, 9)
    for _ in range(200):
        try:
            server.check(api_key.secret)
            found = scrape(server)
        except (OSError, HTTPException):
            continue
        assert found["latchkey_checks_total allowed"] >= 10
        if len(workers(server.process.pid, CHECK)) == 2 and first not in workers(server.process.pid, CHECK):
            break
        threading.Event().wait(0.1)
    assert wait_for(server, before, "latchkey_checks_total allowed", 11)


def test_no_label_names_a_key_a_project_or_a_person(start_server, api_key, project, owner):
    server = start_server(METRICS_TOKEN=TOKEN, HOUSEKEEPING_SECONDS="1")
    server.check(api_key.secret)
    answer = server.request("GET", PATH, headers=bearer(), port=server.check_port).body.decode()
    assert not re.search(r"(key|prj|usr|eml)_[0-9A-Za-z]{16}", answer)
    for name in (api_key.name, project.name, owner.email, api_key.secret, "127.0.0.1"):
        assert name not in answer
    labels = {label for family in text_string_to_metric_families(answer) for s in family.samples for label in s.labels}
    assert labels <= {"outcome", "le", "reason", "group", "kind", "standing"}


def test_housekeeping_tells_keys_by_standing_and_the_emails_that_wait(start_server, api_key, project, owner):
    paused = create_key(project=project, name="Paused", by=owner)
    assert pause_key(key=paused.key, by=owner)
    server = start_server(METRICS_TOKEN=TOKEN, HOUSEKEEPING_SECONDS="1", MAIL_RETRY_SECONDS="0")
    found = wait_for(server, {}, "latchkey_keys active", 1)
    assert (found["latchkey_keys active"], found["latchkey_keys paused"]) == (1, 1)
    assert found["latchkey_outbox_waiting owners"] >= 1
    assert found["latchkey_outbox_oldest_seconds"] > 0
    assert f"latchkey_outbox_waiting {Lane.ACCOUNTS}" in scrape(server)


@pytest.mark.django_db
def test_a_scrape_asks_no_database_and_without_a_token_housekeeping_counts_nothing(django_assert_num_queries, settings):
    tasks = [task for task in TASKS if task.name.startswith("tell_") and "addresses" not in task.name]
    assert len(tasks) == 2
    settings.METRICS_TOKEN = ""
    with django_assert_num_queries(0):
        for task in tasks:
            task.work(timezone.now())
    settings.METRICS_TOKEN, settings.HOUSEKEEPING_SECONDS = TOKEN, 60
    from common.metrics import exposition

    for task in tasks:
        task.work(timezone.now())
    with django_assert_num_queries(0):
        text, _ = exposition.text("")
    assert b"latchkey_keys{" in text
