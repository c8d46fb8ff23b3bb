"""The Usage page and its CSV over HTTP, at a fixed time."""

import cProfile
import csv
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.keys.services import create_key, delete_key
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from apikeys.usage import counting
from apikeys.usage.models import KeyUse
from projects.models import Project
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory
from tests.support.places.pages import action
from tests.support.stored.rows import many_keys

pytestmark = pytest.mark.django_db
# The outcomes of what restricts a key, and a line of the file that has none of them.
BOUNDS = ("address", "access", "rate", "quota")
NONE = ["0"] * len(BOUNDS)
NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_half_past_three():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def client(owner, signed_in) -> Client:
    signed: Client = signed_in(owner)
    return signed


def calls(key: ApiKey, number: int, outcome: str = "ok", ago: timedelta = timedelta(0)) -> None:
    at = (NOW - ago).timestamp()
    for _ in range(number):
        counting.record(key.pk, outcome, at, "203.0.113.7")
    counting.flush()


def address(project: Project, name: str = "usage") -> str:
    return reverse(f"apikeys:{name}", args=[project.public_id])


def text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def lines(answer: Any) -> list[list[str]]:
    content = b"".join(answer).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content)))


def listed(answer: Any) -> list[str]:
    """The names in the list of keys."""
    return re.findall(r'<a class="alone" href="\?[^"]*key=key_\w+[^"]*">([^<]+)</a>', answer.content.decode())


# The page


def test_calls_are_summed_charted_and_listed(client, project, api_key):
    calls(api_key, 3)
    calls(api_key, 1, "paused", timedelta(hours=2))
    answer = client.get(address(project))
    seen = text(answer)
    assert "Allowed 3 75% of requests in the last 24 hours" in seen
    assert "Rejected 1 25% of requests in the last 24 hours" in seen
    assert "Requests per hour over the last 24 hours: 3 allowed, 1 rejected." in answer.content.decode()
    assert "The busiest hour had 3 requests, at 10 Mar, 15:00 UTC." in answer.content.decode()
    assert "10 Mar, 15:00 3 0 10 Mar, 13:00 0 1 Hours without requests are not listed." in seen
    assert "Since 9 Mar, 15:00 (UTC). The last bar is the current hour." in seen
    assert listed(answer) == ["Production server"]


def test_each_range_shows_its_own_calls(client, project, api_key):
    for days in (0, 20, 200, 400):
        calls(api_key, 1, ago=timedelta(days=days))
    found = {period: client.get(address(project), {"range": period}) for period in ("24h", "30d", "12m")}
    assert [re.search(r"Allowed (\d+)", text(answer))[1] for answer in found.values()] == ["1", "2", "3"]
    for period, answer in found.items():
        current = re.search(
            r'href="([^"]+)" aria-current="page"\s*>(?:24 hours|30 days|12 months)', answer.content.decode()
        )
        assert current[1] == f"?range={period}"


def test_a_chosen_key_has_a_chart_of_its_own(client, project, owner, api_key):
    other = create_key(project=project, name="Staging", by=owner).key
    calls(api_key, 5)
    calls(other, 2)
    answer = client.get(address(project), {"key": other.public_id, "range": "30d"})
    assert "<h1>Usage of Staging</h1>" in answer.content.decode()
    assert "<title>Usage of Staging · Acme Weather · Latchkey</title>" in answer.content.decode()
    assert "Allowed 2 100% of requests in the last 30 days" in text(answer)
    assert "By key" not in text(answer)
    links = [html.unescape(link) for link in re.findall(r'href="(\?[^"]+)"', answer.content.decode())]
    assert links == ["?range=30d", *(f"?key={other.public_id}&range={period}" for period in ("24h", "30d", "12m"))]
    assert f"{address(project, 'usage_csv')}?key={other.public_id}&amp;range=30d" in answer.content.decode()


def test_the_keys_with_the_most_calls_come_first_then_by_name(client, project, owner, api_key):
    for name, number in (("beta", 0), ("Alpha", 0), ("Busy", 9)):
        calls(create_key(project=project, name=name, by=owner).key, number)
    assert listed(client.get(address(project))) == ["Busy", "Alpha", "beta", "Production server"]


def test_a_deleted_key_is_listed_while_it_has_calls_in_the_range(client, project, owner, api_key):
    gone = create_key(project=project, name="Gone", by=owner).key
    delete_key(key=gone, by=owner)
    assert listed(client.get(address(project))) == ["Production server"]
    calls(gone, 1, "deleted", timedelta(days=2))
    assert listed(client.get(address(project))) == ["Production server"]
    month = client.get(address(project), {"range": "30d"})
    assert listed(month) == ["Gone", "Production server"]
    assert "Gone Deleted 0 1" in text(month)
    assert "Rejected 1" in text(client.get(address(project), {"range": "30d", "key": gone.public_id}))


def test_a_project_without_a_key_says_what_will_appear(client, viewer, signed_in):
    project = ProjectFactory(name="New")
    MembershipFactory(project=project, user=viewer, role="viewer")
    assert "No requests yet." in text(signed_in(viewer).get(address(project)))
    assert "Only owners and developers of the project can create" in text(signed_in(viewer).get(address(project)))
    MembershipFactory(project=project, user=project.created_by)
    assert "+ Create Key" in text(signed_in(project.created_by).get(address(project)))


def test_a_range_without_calls_says_so_and_leads_to_a_longer_one(client, project, api_key):
    answer = client.get(address(project))
    assert "No requests in the last 24 hours. Look at 12 months" in text(answer)
    assert "<pattern" not in answer.content.decode()
    assert listed(answer) == ["Production server"]
    assert "Look at 12 months" not in text(client.get(address(project), {"range": "12m"}))


def test_a_thousand_keys_come_in_pages_that_hold_each_once(client, project):
    rows = ApiKeyFactory.build_batch(1_000, project=project, responsible=project.created_by)
    keys = ApiKey.objects.bulk_create(rows)
    calls(keys[500], 4)
    first = client.get(address(project), {"range": "30d"})
    assert listed(first)[0] == keys[500].name
    assert "Page 1 of 50" in text(first)
    assert 'href="?range=30d&amp;page=2#by-key"' in first.content.decode()
    seen = [
        name for page in (1, 2, 50) for name in listed(client.get(address(project), {"range": "30d", "page": page}))
    ]
    assert len(seen) == len(set(seen)) == 60
    assert len(listed(client.get(address(project), {"page": 99}))) == 20


@pytest.mark.parametrize(
    "query", ["range=1h", "range=24H", "key=key_1", "key=prj_0000000000000000", "key=key_000000000000000%0A", "page=0"]
)
@pytest.mark.parametrize("name", ["usage", "usage_csv"])
def test_an_address_that_no_link_of_ours_has_is_refused(name, query, client, project, api_key):
    assert client.get(f"{address(project, name)}?{query}").status_code == 400


@pytest.mark.parametrize("name", ["usage", "usage_csv"])
def test_anothers_key_is_not_found(name, client, project, api_key):
    other = ApiKeyFactory()
    calls(other, 3)
    for key_id in (other.public_id, "key_0000000000000000"):
        assert client.get(address(project, name), {"key": key_id}).status_code == 404
    if name == "usage":
        assert "No requests in the last 24 hours." in text(client.get(address(project)))
    else:
        assert len(lines(client.get(address(project, name)))) == 1


def test_a_chart_has_no_script_and_no_style_of_its_own(client, project, api_key):
    calls(api_key, 3)
    page = client.get(address(project)).content.decode()
    content = page[page.index("<main") :]
    assert " style=" not in content
    assert "<script" not in content
    assert content.count("<title>") == 25


def test_the_numbers_say_why_requests_with_a_restricted_key_were_rejected(client, project, api_key):
    calls(api_key, 3)
    calls(api_key, 2, "rate")
    calls(api_key, 4, "address")
    calls(api_key, 1, "paused", timedelta(hours=2))
    seen = text(client.get(address(project)))
    numbers = (
        "10 Mar, 15:00 3 6 address not allowed: 4, rate limit: 2 10 Mar, 13:00 0 1 paused: 1 Hours without requests"
    )
    assert numbers in seen


def test_the_numbers_of_a_key_without_restrictions_stay_light(client, project, api_key):
    """V18: a paused key is rejected for one reason, which its page says once."""
    calls(api_key, 1, "paused")
    calls(api_key, 1, "expired", timedelta(hours=2))
    page = client.get(address(project)).content.decode()
    assert "<small>" not in page[page.index('<details class="numbers">') : page.index("without requests")]


def test_a_year_has_no_element_for_each_bar(client, project, api_key):
    for days in range(365):
        calls(api_key, 1, ago=timedelta(days=days))
    page = client.get(address(project), {"range": "12m"}).content.decode()
    chart = page[page.index('<div class="chart">') : page.index('<details class="numbers">')]
    assert len(chart) < 12_000
    assert chart.count("<path") < 10
    assert page.count('<th scope="row">') == 365 + 1


def test_a_year_of_calls_takes_little_more_work_than_a_day(client, project, api_key):
    """V8 measures the time. The number of function calls is the same on any machine."""
    calls(api_key, 1)
    many_keys(project, 20)
    page = f"{address(project)}?range=12m"
    client.get(page)  # this fills the caches of templates
    of_a_day = _function_calls(lambda: client.get(page))
    for days in range(1, 365):
        counting.record(api_key.pk, "ok", (NOW - timedelta(days=days)).timestamp(), None)
    counting.flush()
    assert _function_calls(lambda: client.get(page)) < 1.5 * of_a_day


def _function_calls(work: Callable[[], object]) -> int:
    with cProfile.Profile() as profile:
        work()
    return sum(entry.callcount for entry in profile.getstats())


# The file


def test_the_csv_has_a_line_for_each_key_and_hour_with_calls(client, project, owner, api_key):
    other = create_key(project=project, name="Zürich, “main”", by=owner).key
    calls(api_key, 3)
    calls(api_key, 2, "forbidden")
    calls(api_key, 1, "paused", timedelta(hours=2))
    calls(other, 4, ago=timedelta(hours=1))
    answer = client.get(address(project, "usage_csv"))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="usage-{project.public_id}-24h.csv"'
    assert "no-store" in answer.headers["Cache-Control"]
    assert lines(answer) == [
        ["start", "key id", "key name", "allowed", "paused", "expired", "deleted", "forbidden", *BOUNDS],
        ["2026-03-10T13:00:00Z", api_key.public_id, "Production server", "0", "1", "0", "0", "0", *NONE],
        ["2026-03-10T15:00:00Z", api_key.public_id, "Production server", "3", "0", "0", "0", "2", *NONE],
        ["2026-03-10T14:00:00Z", other.public_id, "Zürich, “main”", "4", "0", "0", "0", "0", *NONE],
    ]


def test_the_csv_of_a_key_and_a_range(client, project, owner, api_key):
    other = create_key(project=project, name="Staging", by=owner).key
    calls(api_key, 1)
    calls(other, 1, ago=timedelta(days=40))
    answer = client.get(address(project, "usage_csv"), {"key": other.public_id, "range": "12m"})
    name = f"usage-{project.public_id}-{other.public_id}-12m.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert lines(answer)[1:] == [["2026-01-29T00:00:00Z", other.public_id, "Staging", "1", "0", "0", "0", "0", *NONE]]


@pytest.mark.parametrize("name", ['=HYPERLINK("//evil")', "+1", "-1", "@SUM(A1)", "＝1", "\t=1", "\r=1"])
def test_a_name_is_no_formula_in_a_spreadsheet(name, client, project, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(name=name)
    calls(api_key, 1)
    # A tab or a line end is also the end of a cell to some programs.
    expected = "'" + name.replace("\t", "\t'").replace("\r", "\r'")
    assert lines(client.get(address(project, "usage_csv")))[1][2] == expected


def test_a_name_is_no_formula_where_a_semicolon_ends_a_cell(client, project, api_key):
    ApiKey.objects.filter(pk=api_key.pk).update(name="x;=1+1;y")
    calls(api_key, 1)
    assert "x;'=1+1;y" in lines(client.get(address(project, "usage_csv")))[1]


def test_the_csv_reads_many_keys_by_few_statements_and_each_once(client, project):
    rows = ApiKeyFactory.build_batch(45, project=project, responsible=project.created_by)
    keys = ApiKey.objects.bulk_create(rows)
    for key in keys:
        calls(key, 1)
    with CaptureQueriesContext(connection) as captured:
        found = lines(client.get(address(project, "usage_csv")))
    assert [line[1] for line in found[1:]] == [key.public_id for key in keys]
    assert len(captured) == 6 + 3, "session, user, project, living keys, deleted keys, sums; then twenty keys at a time"


def test_the_page_and_the_file_hold_the_same_calls(client, project, owner, api_key):
    states = {"ok": 17, "paused": 5, "expired": 1, "deleted": 2, "forbidden": 2}
    states |= dict(zip(BOUNDS, (3, 4, 6, 7), strict=True))
    for outcome, number in states.items():
        calls(api_key, number, outcome, timedelta(days=number))
    found = lines(client.get(address(project, "usage_csv"), {"range": "30d"}))
    sums = [sum(int(line[column]) for line in found[1:]) for column in range(3, 12)]
    assert sums == list(states.values())
    said = text(client.get(address(project), {"range": "30d"}))
    assert "Allowed 17 36.2% of requests in the last 30 days Rejected 30 63.8% of requests in the last 30 days" in said
    assert "Quota: 7, rate limit: 6, paused: 5, access not allowed: 4, address not allowed: 3, " in said
    said = text(client.get(action("key", api_key), {"range": "30d"}))
    assert "Rejected by reason: quota: 7, rate limit: 6, paused: 5, access not allowed: 4, " in said
    assert KeyUse.objects.filter(span="day").count() == 9
    assert api_key.state == KeyState.ACTIVE
