"""Limits against a simple model, while processes die, answers are lost, limits change and clocks step back."""

import itertools

from django.db import OperationalError
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from apikeys.bounds.restrictions import Limit, Window
from apikeys.limits import blocks
from apikeys.limits.models import Budget
from tests.apikeys.limits.simulated import Process, answers_lost, let_windows_end, set_clock_back

PROCESSES = st.integers(0, 2)
COSTS = st.one_of(st.just(1), st.integers(1, 40))
HOUR = 3600
_numbers = itertools.count()


class Limited(RuleBasedStateMachine):
    """Three processes share a limit a day. `allowed` is what requests have used of the newest window."""

    def __init__(self) -> None:
        super().__init__()
        self.name = f"key:{next(_numbers)}:quota:day"
        self.processes = [Process(), Process(), Process()]
        self.amount, self.allowed, self.lost = 100, 0, 0
        # Whether the window has ended, and nobody has begun another one. Processes may forget what they hold of it.
        self.has_ended = False
        self.to_take_back: list[tuple[Process, blocks.Budget, int, blocks.Taken]] = []

    @property
    def budget(self) -> blocks.Budget:
        return blocks.Budget(self.name, Limit(self.amount, Window.DAY))

    @property
    def row(self) -> Budget | None:
        return Budget.objects.filter(name=self.name).first()

    def held(self) -> int:
        return sum(process.holds(self.row.starts) for process in self.processes) if self.row else 0

    @rule(process=PROCESSES, cost=COSTS, has_waited=st.booleans(), is_refused_elsewhere=st.booleans())
    def request(self, process, cost, has_waited, is_refused_elsewhere):
        """A process that found the limit used up asks the database again once it has waited."""
        if cost > self.amount:
            return
        asking, before = self.processes[process], self.row
        if has_waited:
            asking.may_ask_again()
        taken = asking.take(self.budget, cost)
        if before is None or self.row.starts != before.starts:
            self.begin_window()
        if not taken.is_allowed:
            assert not has_waited or self.row.used + cost - asking.can_spend(self.budget) > self.amount
            return
        self.allowed += cost
        assert self.allowed <= self.amount
        if is_refused_elsewhere:
            self.to_take_back.append((asking, self.budget, cost, taken))

    def begin_window(self):
        self.allowed, self.lost, self.has_ended = 0, 0, False

    @rule(process=PROCESSES, cost=COSTS)
    def request_whose_reservation_is_lost(self, process, cost):
        """The processes let nobody in whom they cannot count."""
        if cost > self.amount:
            return
        starts, used = (self.row.starts, self.row.used) if self.row else (None, 0)
        try:
            with answers_lost():
                self.allowed += cost * self.processes[process].take(self.budget, cost).is_allowed
        except OperationalError:
            if self.row.starts != starts:
                self.begin_window()
                used = 0
            self.lost += self.row.used - used

    @precondition(lambda self: self.to_take_back)
    @rule()
    def another_limit_refuses(self):
        process, budget, cost, taken = self.to_take_back.pop()
        process.take_back(budget, cost, taken)
        if taken.starts == self.row.starts:
            self.allowed -= cost

    @rule(process=PROCESSES, is_lost=st.booleans())
    def give_back(self, process, is_lost):
        if not is_lost or not self.row:
            self.processes[process].give_back()
            return
        held, used = self.processes[process].holds(self.row.starts), self.row.used
        with answers_lost():
            self.processes[process].give_back()
        self.lost += held - (used - self.row.used)

    @rule(process=PROCESSES)
    def kill(self, process):
        if self.row:
            self.lost += self.processes[process].holds(self.row.starts)
        dead = self.processes[process]
        self.processes[process] = Process()
        self.to_take_back = [each for each in self.to_take_back if each[0] is not dead]

    @rule(amount=st.integers(1, 200))
    def change_limit(self, amount):
        self.amount = amount

    @rule(days=st.integers(1, 3))
    def let_the_window_end(self, days):
        let_windows_end(self.processes, 24 * HOUR * days)
        self.has_ended = True
        self.forget_windows()

    @rule()
    def set_the_clock_back(self):
        set_clock_back(self.processes, 24 * HOUR)
        self.forget_windows()

    def forget_windows(self):
        """The labels of windows have moved."""
        self.to_take_back.clear()

    @invariant()
    def nothing_is_counted_twice_or_not_at_all(self):
        if self.row:
            known = self.allowed + self.held() + self.lost
            assert self.row.used >= known if self.has_ended else self.row.used == known

    def teardown(self):
        Budget.objects.all().delete()


def test_no_order_of_events_lets_in_one_request_too_many(transactional_db):
    # The database is asked at each step.
    run_state_machine_as_test(
        Limited, settings=settings(max_examples=60, stateful_step_count=40, deadline=None, phases=[Phase.generate])
    )
