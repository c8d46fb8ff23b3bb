"""The envelope of lists, and page numbers."""

import re
from functools import partial

import pytest
from django.utils import timezone

from tests.support.calls.api_client import call_with, files_of, new_file
from tests.support.calls.api_helpers import assert_error

pytestmark = pytest.mark.django_db

FILES = "/api/v1/files"


@pytest.fixture
def call(client, api_key):
    """Calls the API with the project's key: `call("GET", path)`."""
    return partial(call_with, client, api_key)


def test_an_empty_list_is_one_page(call, project):
    answer = call("GET", FILES).json()
    assert set(answer) == {"meta", "data", "error", "links"}
    assert re.fullmatch(r"req_\w{16}", answer["meta"].pop("request_id"))
    expected = {"project_id": project.public_id, "type": "list", "limit": 20, "total": 0, "page": 1, "pages": 1}
    assert answer["meta"] == expected
    assert (answer["data"], answer["error"]) == ([], None)
    assert answer["links"] == {"self": f"{FILES}?page=1&limit=20", "next": None, "prev": None}


def test_links_lead_through_all_pages_and_back(call, project):
    newest_first = [file.public_id for file in reversed(files_of(project, 45))]
    seen, address, addresses = [], FILES, []
    while address:
        answer = call("GET", address).json()
        assert (answer["meta"]["limit"], answer["meta"]["total"], answer["meta"]["pages"]) == (20, 45, 3)
        assert answer["meta"]["page"] == len(addresses) + 1
        assert answer["links"]["prev"] == (addresses[-1] if addresses else None)
        addresses.append(answer["links"]["self"])
        seen += [found["id"] for found in answer["data"]]
        address = answer["links"]["next"]
    assert seen == newest_first
    assert len(addresses) == 3


def test_files_of_the_same_moment_keep_their_order_across_pages(call, project):
    moment = timezone.now()
    made = [new_file(project=project, created_at=moment).public_id for _ in range(6)]
    pages = [call("GET", f"{FILES}?limit=2&page={page}").json()["data"] for page in (1, 2, 3)]
    assert [found["id"] for page in pages for found in page] == made[::-1]


@pytest.mark.parametrize(("limit", "pages"), [(1, 3), (2, 2), (3, 1), (100, 1)])
def test_pages_are_counted_up(call, project, limit, pages):
    files_of(project, 3)
    answer = call("GET", f"{FILES}?limit={limit}").json()
    assert (answer["meta"]["pages"], len(answer["data"])) == (pages, min(limit, 3))


@pytest.mark.parametrize("page", [3, 1000, 1_000_000_000])
def test_a_page_beyond_the_end_is_empty_and_leads_back_to_the_last(call, project, page):
    files_of(project, 3)
    answer = call("GET", f"{FILES}?limit=2&page={page}").json()
    assert (answer["data"], answer["meta"]["page"], answer["meta"]["total"]) == ([], page, 3)
    assert answer["links"]["next"] is None
    assert answer["links"]["prev"] == f"{FILES}?page=2&limit=2"


BAD_NUMBERS = [
    "0",
    "-1",
    "abc",
    "1e999",
    "99999999999999999999",
    "1.5",
    "",
    "%20",
    "NaN",
    "true",
    "٣",
    "\u200b1",
    "9" * 5000,
]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: value[:20])
@pytest.mark.parametrize("name", ["page", "limit"])
def test_paging_values_out_of_range_are_named(call, name, value):
    """T25"""
    response = call("GET", f"{FILES}?{name}={value}")
    message = assert_error(response, 422, "invalid")
    assert message.startswith(f"{name}: ")
    assert len(message) < 200, "the message does not repeat the value"


@pytest.mark.parametrize("query", ["limit=101", "page=1000000001", "page=0&limit=0"])
def test_the_bounds_of_paging_hold(call, query):
    assert_error(call("GET", f"{FILES}?{query}"), 422, "invalid")


@pytest.mark.parametrize("query", ["page=%00", "limit=1%00", "x=%00", "%00=1"])
def test_a_nul_in_the_query_is_refused(call, query):
    """T25"""
    assert_error(call("GET", f"{FILES}?{query}"), 400, "bad_request")


@pytest.mark.parametrize("query", ["page=1&page=1", "page=2&page=1", "limit=5&limit=500", "page=x&page=1", "page[]=1"])
def test_repeated_and_foreign_parameters_never_break_a_list(call, query):
    """T25"""
    response = call("GET", f"{FILES}?{query}")
    if response.status_code != 200:
        assert_error(response, 422, "invalid")


@pytest.mark.parametrize("query", ["%ff=%fe", "page=%ff", "limit=%ed%a0%80", "a&&&=;", "page=1" + "&a=1" * 5000])
def test_broken_queries_never_break_a_list(call, query):
    """T25"""
    response = call("GET", f"{FILES}?{query}")
    assert response.status_code in {200, 400, 413, 422}
    if response.status_code != 200:
        assert_error(response, response.status_code, response.json()["error"]["code"])
