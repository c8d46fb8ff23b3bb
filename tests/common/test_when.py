"""How pages show a time."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from common.page_tags import ago, moment, since, when, with_moments
from tests.support.environment import REPOSITORY

NOW = timezone.now()


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=4), "just now"),
        (timedelta(seconds=20), "20 s ago"),
        (timedelta(minutes=4, seconds=59), "4 min ago"),
        (timedelta(hours=2, minutes=40), "2 h ago"),
        (timedelta(days=1, hours=23), "1 day ago"),
        (timedelta(days=20), "2 weeks ago"),
        (timedelta(days=100), "3 months ago"),
        (timedelta(days=364), "12 months ago"),
        (timedelta(days=800), "2 years ago"),
        (-timedelta(seconds=20), "in less than a minute"),
        (-timedelta(minutes=4, seconds=1), "in 5 minutes"),
        (-timedelta(hours=23, seconds=1), "in 24 hours"),
        (-timedelta(hours=48), "in 48 hours"),
        (-timedelta(days=3, hours=-1, seconds=1), "in 3 days"),
        (-timedelta(days=3, hours=1), "in 4 days"),
        (-timedelta(days=32), "in 32 days"),
        (-timedelta(days=400), "in 400 days"),
    ],
    ids=str,
)
def test_a_time_is_one_unit(span, said):
    assert ago(NOW - span, NOW) == said


def test_the_exact_time_is_in_the_tooltip_and_says_that_it_is_utc(time_machine):
    time_machine.move_to("2026-03-10 15:30:00+00:00", tick=False)
    assert when(timezone.now() - timedelta(hours=2)) == (
        '<time datetime="2026-03-10T13:30:00+00:00" title="10 March 2026, 13:30:00 UTC">2 h ago</time>'
    )


def test_an_instant_in_a_text_is_a_time_that_scripts_can_read_and_the_rest_is_escaped():
    time = '<time datetime="2027-02-26T09:30:00+00:00" title="{0}" data-clock="exact">{0}</time>'
    at = "26 February 2027, 09:30 UTC"
    assert with_moments(f"<b>: {at}.") == f"&lt;b&gt;: {time.format(at)}."
    assert moment(datetime(2027, 2, 26, 9, 30, tzinfo=UTC)) == time.format(at)
    assert with_moments("31 February 2027, 09:30 UTC") == "31 February 2027, 09:30 UTC"


def test_a_moment_after_since_has_its_day_and_its_zone(time_machine):
    time_machine.move_to("2026-03-10 15:30:00+00:00", tick=False)
    now = timezone.now()
    said = [
        (now.replace(hour=9, minute=5), "09:05 UTC today"),
        (now - timedelta(hours=16), "23:30 UTC yesterday"),
        (now - timedelta(days=7), "15:30 UTC on 3 March"),
        (now - timedelta(days=365), "15:30 UTC on 10 March 2025"),
    ]
    for at, words in said:
        assert f' UTC" data-clock="since">{words}</time>' in since(at)


def test_templates_say_the_time_of_day_only_in_a_time_that_scripts_can_read():
    """A time of day outside <time> stays in UTC beside times in the reader's own zone."""
    written = re.compile(r"\|date:(?:'[^']*H:i|\"[^\"]*H:i)")
    in_pages = REPOSITORY.glob("templates/**/*.html")
    found = [path.name for path in in_pages for line in path.read_text().splitlines() if written.search(line)]
    # Two tooltips, which say that they are in UTC, and a page of the admin, where all times are.
    assert sorted(found) == ["re_enable_reported.html", "state_badge.html", "use_facts.html"]
