"""The text of a scrape: every metric of this server, in the format that the scraper asks for.

Only processes that answer scrapes load this module and the library.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from common.metrics import counts, shared_counts
from common.metrics.counts import BUCKETS, Counted, Total
from common.metrics.shared_counts import Snapshot

# After so many turns of housekeeping without a new number, another server does the housekeeping.
TURNS_TOLD = 4


class Described(NamedTuple):
    """A metric whose value is a sum or a number that somebody told. `label` is "" if it has none."""

    name: str
    source: str
    help: str
    label: str = ""


COUNTERS = (
    Described("latchkey_checks", Total.CHECKS, "Checks of keys for gateways, by outcome.", "outcome"),
    Described(
        "latchkey_database_errors", Total.DATABASE_ERRORS, "Times that the database could not be asked or gave up."
    ),
    Described("latchkey_emails_lost", Total.EMAILS_LOST, "Emails that were given up or dropped.", "reason"),
    Described("latchkey_usage_dropped", Total.USAGE_DROPPED, "Requests that are missing in the counts of use."),
)
# Of the processes that live, added up.
GAUGES = (
    Described(
        "latchkey_usage_waiting", "usage_waiting", "Counts of use in memory that the database does not have yet."
    ),
    Described("latchkey_rows_leased", "rows_leased", "Rows of keys in memory that may be judged again."),
    Described("latchkey_budget_blocks", "budget_blocks", "Limits of which a process holds a block in memory."),
)
# Counted in the database by the housekeeping, on the one server that does it.
TOLD = (
    Described("latchkey_outbox_waiting", "outbox_waiting", "Emails that wait in the outbox.", "kind"),
    Described("latchkey_outbox_oldest_seconds", "outbox_oldest", "How long the oldest unsent email has waited."),
    Described("latchkey_keys", "keys", "Keys that are not deleted, by standing.", "standing"),
)

# Labels whose value is known before it is first counted. A counter that begins at 0 shows its first increase.
_known: dict[str, tuple[str, ...]] = {Total.EMAILS_LOST: ("given_up", "dropped")}


def know(counter: str, labels: Iterable[str]) -> None:
    _known[counter] = tuple(labels)


class _Server(Collector):
    """The metrics of this server, when they are asked for."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._living = [snapshot for snapshot in snapshots if shared_counts.is_alive(snapshot)]
        self._counted = counts.sum_of(*(snapshot["counted"] for snapshot in snapshots))

    def collect(self) -> Iterator[Metric]:
        for described in COUNTERS:
            labels = dict.fromkeys(_known.get(described.source, () if described.label else ("",)), 0.0)
            yield _filled(CounterMetricFamily, described, {**labels, **self._counted.get(described.source, {})})
        yield _durations(self._counted)
        for described in GAUGES:
            total = sum(snapshot["gauges"].get(described.source, 0) for snapshot in self._living)
            yield _filled(GaugeMetricFamily, described, {"": total})
        yield self._workers()
        for described in TOLD:
            if told := self._newest(described.source):
                yield _filled(GaugeMetricFamily, described, told)

    def _workers(self) -> Metric:
        workers = dict.fromkeys(shared_counts.groups(), 0.0)
        for snapshot in self._living:
            if snapshot["group"] in workers:
                workers[snapshot["group"]] += 1
        described = Described("latchkey_workers", "", "Processes that serve, by what they serve.", "group")
        return _filled(GaugeMetricFamily, described, workers)

    def _newest(self, source: str) -> dict[str, float] | None:
        told = max((told for each in self._living if (told := each["told"].get(source))), default=None)
        oldest = shared_counts.now() - TURNS_TOLD * settings.HOUSEKEEPING_SECONDS
        return dict(told[1]) if told and told[0] >= oldest else None


def _filled(
    family: type[CounterMetricFamily | GaugeMetricFamily], described: Described, numbers: dict[str, float]
) -> Metric:
    metric = family(described.name, described.help, labels=[described.label] if described.label else [])
    for label, number in numbers.items():
        metric.add_metric([label] if described.label else [], number)
    return metric


def _durations(counted: Counted) -> Metric:
    metric = HistogramMetricFamily(
        "latchkey_check_seconds", "How long a check took in its process, without the wait for a free thread."
    )
    found, so_far, buckets = counted.get(Total.CHECK_BUCKETS, {}), 0.0, []
    for place, end in enumerate((*map(str, BUCKETS), "+Inf")):
        so_far += found.get(str(place), 0)
        buckets.append((end, so_far))
    metric.add_metric([], buckets, counted.get(Total.CHECK_SECONDS, {}).get("", 0.0))
    return metric


def text(accepted: str) -> tuple[bytes, str]:
    """The metrics and their content type, as a scraper with this Accept header reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Server(shared_counts.read_all()))
    encode, content_type = choose_encoder(accepted)
    return encode(registry), content_type
