"""A machine searches for an order of steps in which a check is judged by a row from before an answered change.

The clocks are simulated. What keeps rows is the real module, loaded once for each simulated process.
"""

import importlib.util
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from apikeys.leases import clocks, kept_rows

pytestmark = pytest.mark.nodb

# The database's clock also steps, by less than the time by which a process's belief ends before its registration.
MOST_AHEAD = (clocks.REGISTERED_SECONDS - clocks.BELIEVED_SECONDS - 1) / 2
# Most steps follow each other closely: that is where mistakes lie.
MOMENTS = st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.19, 0.2, 0.21, 0.23, 1.0, 119.9, 600.0])
PLACES = st.sampled_from([0, 0, 1])


class Protocol(SimpleNamespace):
    """Parts of the protocol. A test switches one off, and the machine has to notice it."""

    holds_answers = True
    reads_clock_first = True
    registers_first = True
    asks_after_commit = True


class Process:
    def __init__(self, rate: float) -> None:
        self.rate, self.clock, self.believed_until = rate, 1000.0 * rate, float("-inf")
        self.rows = self._own_rows()

    def _own_rows(self) -> ModuleType:
        spec = importlib.util.find_spec(kept_rows.__name__)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.now = lambda: self.clock  # type: ignore[attr-defined]
        return module


class Lease(RuleBasedStateMachine):
    protocol = Protocol()
    checks = Bundle("checks")
    lookups = Bundle("lookups")
    begun = Bundle("begun")
    committed = Bundle("committed")

    def __init__(self) -> None:
        super().__init__()
        self.version = 0  # of the only key's row: each change makes the one before wrong
        self.answered = 0  # the newest version whose change was answered
        self.registered_until = float("-inf")
        self.time, self.ahead = 0.0, 0.0  # of the database's clock
        self.processes = [Process(1.0), Process(1 + clocks.RATE)]

    @property
    def database_clock(self) -> float:
        return self.time + self.ahead

    def _pass(self, seconds: float) -> None:
        self.time += seconds
        for process in self.processes:
            process.clock += seconds * process.rate

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(ahead=st.floats(-MOST_AHEAD, MOST_AHEAD))
    def the_clock_of_the_database_steps(self, ahead: float) -> None:
        self.ahead = ahead

    @rule(place=PLACES)
    def a_process_registers(self, place: int) -> None:
        process = self.processes[place]
        began = process.clock
        self.registered_until = self.database_clock + clocks.REGISTERED_SECONDS
        process.believed_until = began + clocks.BELIEVED_SECONDS

    @rule(target=checks, place=PLACES)
    def a_check_begins(self, place: int) -> dict[str, object]:
        """It may be judged by a kept row; otherwise it has read its clock and is about to ask."""
        process = self.processes[place]
        must_see = self.answered
        if (version := process.rows.find(b"digest")) is not None:
            assert version >= must_see, "a check that began after the answer was judged by a row from before the change"
        may_keep = process.clock < process.believed_until or not self.protocol.registers_first
        return {"process": process, "asked_at": process.clock if may_keep else None}

    @rule(target=lookups, check=consumes(checks))
    def its_lookup_reads(self, check: dict[str, object]) -> dict[str, object]:
        return {**check, "version": self.version}

    @rule(lookup=consumes(lookups))
    def its_row_is_kept(self, lookup: dict[str, object]) -> None:
        process = lookup["process"]
        assert isinstance(process, Process)
        if lookup["asked_at"] is not None:
            asked_at = lookup["asked_at"] if self.protocol.reads_clock_first else process.clock
            # The first of two lookups leaves only a mark. Here, another one came just before.
            process.rows.keep(b"digest", None, 0.0)
            process.rows.keep(b"digest", lookup["version"], asked_at)

    @rule(place=PLACES)
    def a_check_that_nothing_comes_between(self, place: int) -> None:
        self.its_row_is_kept(self.its_lookup_reads(self.a_check_begins(place)))

    @rule(place=PLACES)
    def a_change_that_nothing_comes_between(self, place: int) -> None:
        self.a_change_asks_who_is_registered(self.a_change_is_committed(self.a_change_begins(place)))

    @initialize(target=begun)
    def a_change_began_before_all(self) -> Any:
        return self.a_change_begins(1)

    @rule(target=begun, place=PLACES)
    def a_change_begins(self, place: int) -> dict[str, object]:
        return {"process": self.processes[place], "saw": self.database_clock < self.registered_until}

    @rule(target=committed, change=consumes(begun))
    def a_change_is_committed(self, change: dict[str, object]) -> dict[str, object]:
        self.version += 1
        return {**change, "version": self.version}

    @rule(change=consumes(committed))
    def a_change_asks_who_is_registered(self, change: dict[str, object]) -> None:
        """It is answered as early as the protocol allows."""
        process = change["process"]
        assert isinstance(process, Process)
        saw = self.database_clock < self.registered_until if self.protocol.asks_after_commit else change["saw"]
        if saw and self.protocol.holds_answers:
            self._pass(clocks.HELD_SECONDS / process.rate)
        self.answered = max(self.answered, int(str(change["version"])))


# The same search each time. A counterexample is not made smaller, which takes longest.
SEARCH = settings(
    max_examples=2000, stateful_step_count=30, derandomize=True, database=None, phases=[Phase.generate], deadline=None
)


def search(**switched: bool) -> None:
    class Switched(Lease):
        protocol = Protocol(**switched)

    run_state_machine_as_test(Switched, settings=SEARCH)


def test_no_order_of_steps_makes_a_check_stale():
    search()


@pytest.mark.parametrize("part", ["holds_answers", "reads_clock_first", "registers_first", "asks_after_commit"])
def test_each_part_of_the_protocol_is_needed(part):
    with pytest.raises(AssertionError, match="judged by a row from before"):
        search(**{part: False})
