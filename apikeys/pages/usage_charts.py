"""The parts of the Usage page beside the bars: labels, words for people who do not see them, the table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apikeys.pages import charts
from apikeys.pages.charts import Chart, Label, Slot
from apikeys.refusals import OUTCOMES, OUTCOMES_OF_RESTRICTIONS
from apikeys.usage import figures
from apikeys.usage.figures import PERIODS, Bucket, Calls, Period
from apikeys.usage.models import Span
from common.plurals import counted

WORDS = {Period.DAY: "24 hours", Period.MONTH: "30 days", Period.YEAR: "12 months"}
# The distance of labels, in slots. The labels of a year are its months.
_LABEL_EVERY = {Period.DAY: 3, Period.MONTH: 5}
# A label that begins further right would be cut off.
_LAST_LABEL_AT = 0.95


def is_hourly(period: Period) -> bool:
    return PERIODS[period][0] == Span.HOUR


def when(at: datetime, period: Period) -> str:
    return f"{at.day} {at:%b, %H:%M}" if is_hourly(period) else f"{at.day} {at:%b %Y}"


def total(buckets: Sequence[Bucket]) -> Calls:
    return figures.total([bucket.calls for bucket in buckets])


def share(part: int, whole: int) -> str:
    """In percent; more than 0 for any share above none, and less than 100 for any share below all."""
    if not whole:
        return "0%"
    percent = part * 100 / whole
    if 0 < percent < 0.1:
        return "less than 0.1%"
    if 99.9 < percent < 100:
        return "more than 99.9%"
    return f"{percent:.1f}%".replace(".0%", "%")


def labels(buckets: Sequence[Bucket], period: Period) -> list[Label]:
    number = len(buckets)
    if period == Period.YEAR:
        months = [slot for slot, bucket in enumerate(buckets) if bucket.starts_at.day == 1]
        shown = [(slot, f"{buckets[slot].starts_at:%b}") for slot in months if slot < number * _LAST_LABEL_AT]
    else:
        slots = range(0, int(number * _LAST_LABEL_AT), _LABEL_EVERY[period])
        shown = [(slot, _short(buckets[slot].starts_at, period)) for slot in slots]
    return [charts.label(slot, number, text, minor=bool(place % 2)) for place, (slot, text) in enumerate(shown)]


def _short(at: datetime, period: Period) -> str:
    return f"{at:%H:%M}" if is_hourly(period) else f"{at.day} {at:%b}"


def summary(buckets: Sequence[Bucket], period: Period) -> str:
    """The chart in words."""
    calls, unit = total(buckets), "hour" if is_hourly(period) else "day"
    most = max(buckets, key=lambda bucket: bucket.calls.all)
    at = f"at {when(most.starts_at, period)}" if is_hourly(period) else f"on {when(most.starts_at, period)}"
    return (
        f"Requests per {unit} over the last {WORDS[period]}: {calls.allowed:,} allowed, {calls.refused:,} rejected. "
        f"The busiest {unit} had {counted(most.calls.all, 'request')}, {at} UTC."
    )


def chart_of(buckets: Sequence[Bucket]) -> Chart:
    return charts.stacked([b.calls.allowed for b in buckets], [b.calls.refused for b in buckets])


def slots(buckets: Sequence[Bucket], period: Period) -> list[Slot]:
    """The tooltips of the bars; none where bars are too narrow to point at."""
    if len(buckets) > charts.MOST_APART:
        return []
    return [
        Slot(place * charts.SLOT, f"{when(bucket.starts_at, period)}: {_in_words(bucket)}")
        for place, bucket in enumerate(buckets)
    ]


def _in_words(bucket: Bucket) -> str:
    said = f"{bucket.calls.allowed:,} allowed, {bucket.calls.refused:,} rejected"
    return f"{said} ({reasons([bucket])})" if bucket.refused_by else said


def reasons(buckets: Sequence[Bucket]) -> str:
    """Why requests were rejected, the most frequent reason first: `rate limit: 12, address not allowed: 3`."""
    numbers: Counter[str] = Counter()
    for bucket in buckets:
        numbers.update(dict(bucket.refused_by))
    return _named(numbers.most_common())


def _named(numbers: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{OUTCOMES.get(outcome, outcome)}: {number:,}" for outcome, number in numbers)


def rows(buckets: Sequence[Bucket], period: Period) -> SafeString:
    """The lines of the table behind the chart, the newest first, without the hours and days that had no requests.

    They are drawn here, because a loop in the template took half the time of the page of a year. The reasons stand in
    them if a restriction rejected a request in the period: the page of a key without restrictions stays light.
    """
    outcomes = {outcome for bucket in buckets for outcome, _ in bucket.refused_by}
    has_reasons = not outcomes.isdisjoint(OUTCOMES_OF_RESTRICTIONS)
    return mark_safe(  # noqa: S308  dates, numbers, and reasons that are escaped
        "\n".join(
            f'<tr><th scope="row">{when(at, period)}</th><td>{calls.allowed:,}</td>'
            f"<td>{calls.refused:,}{_small(refused_by) if has_reasons else ''}</td></tr>"
            for at, calls, refused_by in reversed(buckets)
            if calls.all
        )
    )


def _small(refused_by: Sequence[tuple[str, int]]) -> str:
    """The reasons of one line, the most frequent first."""
    named = escape(_named(sorted(refused_by, key=lambda each: -each[1])))
    # A number stays on the line of its reason.
    return f" <small>{named.replace(': ', ':&nbsp;')}</small>" if named else ""


def context(buckets: Sequence[Bucket], period: Period) -> dict[str, Any]:
    """The context of usage_chart.html. Without requests there is no chart."""
    calls = total(buckets)
    found: dict[str, Any] = {
        "allowed": f"{calls.allowed:,}",
        "refused": f"{calls.refused:,}",
        "rejected_by": reasons(buckets),
        "allowed_share": share(calls.allowed, calls.all),
        "refused_share": share(calls.refused, calls.all),
        "unit": "hour" if is_hourly(period) else "day",
        "since": when(buckets[0].starts_at, period),
        "now_has_calls": buckets[-1].calls.all > 0,
    }
    if calls.all:
        found |= {
            "chart": chart_of(buckets),
            "slots": slots(buckets, period),
            "labels": labels(buckets, period),
            "summary": summary(buckets, period),
            "rows": rows(buckets, period),
        }
    return found
