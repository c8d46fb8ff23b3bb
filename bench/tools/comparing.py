"""Two contenders take turns, so other load on the machine affects both alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import median

from bench.plan import Plan
from bench.results import Goal, Row
from bench.tools.load import Contender, Sample, check, load

# A comparison goes on until the ratio is known this well, or until it has had `most_rounds`.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Pairs:
    """Samples of two contenders. Each pair was taken one right after the other."""

    ours: list[Sample]
    theirs: list[Sample]

    @property
    def ratios(self) -> list[float]:
        return sorted(mine.rate / other.rate for mine, other in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios. A busy minute of the machine slows both halves of a pair."""
        return median(self.ratios)

    @property
    def by_processor_time(self) -> float | None:
        """The same ratio, of requests for each second that the servers' processes have run. It tells whether to trust
        the other one: it does not know of busy minutes, nor of time spent in waiting and in the database.
        """
        spent = [sum(sample.processor_seconds for sample in samples) for samples in (self.ours, self.theirs)]
        if not all(spent):
            return None
        mine, other = (sum(sample.requests for sample in samples) for samples in (self.ours, self.theirs))
        return mine / spent[0] / (other / spent[1])

    @property
    def between(self) -> tuple[float, float]:
        """Where the median of endless rounds would lie, in 19 of 20 runs. Of five pairs or fewer, all ratios."""
        ratios = self.ratios
        out = min(len(ratios) - 1, ceil((len(ratios) - 1) / 2 + 0.98 * sqrt(len(ratios))))
        return ratios[-1 - out], ratios[out]

    @property
    def is_certain(self) -> bool:
        low, high = self.between
        return high - low <= 2 * TOLERANCE * self.ratio


def side_by_side(ours: Contender, others: Sequence[Contender], plan: Plan, *, warm: bool = False) -> dict[str, Pairs]:
    """Pairs by the name of the other contender. Checks and warms up all contenders first; with `warm`, before each
    sample.
    """
    for contender in (ours, *others):
        check(contender)
        load(contender, plan, seconds=1)
    pairs = {other.name: Pairs([], []) for other in others}
    for number in range(plan.most_rounds):
        for other in others:
            if number < plan.rounds or not pairs[other.name].is_certain:
                _take_turns(ours, other, pairs[other.name], number, plan, warm)
    return pairs


def _take_turns(ours: Contender, other: Contender, pairs: Pairs, number: int, plan: Plan, warm: bool) -> None:
    """The order alternates, so that no contender always comes first."""
    turns = [(ours, pairs.ours), (other, pairs.theirs)]
    for contender, samples in turns if number % 2 == 0 else turns[::-1]:
        if warm:
            load(contender, plan, seconds=1)
        samples.append(load(contender, plan))


def rate(samples: Sequence[Sample]) -> float:
    """Requests per second."""
    return median(sample.rate for sample in samples)


def compared(name: str, measured: str, against: str, pairs: Pairs, goal: Goal | None = None) -> Row:
    raw = {"ours per second": rate(pairs.ours), "theirs per second": rate(pairs.theirs), "pairs": len(pairs.ours)}
    if pairs.by_processor_time:
        raw["by processor time of the server"] = pairs.by_processor_time
    return Row(name, measured, against, pairs.ratio, goal, between=pairs.between, raw=raw)
