"""`make quick` leaves out the tests that start programs."""

import subprocess

import pytest

from tests.support import slow

pytestmark = pytest.mark.nodb


def start_a_program() -> None:
    subprocess.run(["true"], check=True)


def test_a_test_that_names_what_starts_a_program_is_marked(request):
    assert request.node.get_closest_marker("slow")
    start_a_program()


@pytest.fixture
def program() -> None:
    start_a_program()


def test_a_test_whose_fixture_starts_a_program_is_marked(request, program):
    assert request.node.get_closest_marker("slow")


def test_a_test_that_starts_none_is_not_marked(request):
    assert not request.node.get_closest_marker("slow")


def test_in_make_quick_no_program_starts():
    with slow.no_program(), pytest.raises(AssertionError, match="This test starts a program"):
        start_a_program()
    start_a_program()
