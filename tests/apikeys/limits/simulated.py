"""Several processes that spend limits, in one: each has blocks of its own, and one of them works at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

from apikeys.limits import blocks
from apikeys.limits.models import Budget


class Process:
    def __init__(self) -> None:
        self.blocks: dict[str, blocks._Block] = {}
        self.to_give_back: list[tuple[str, int, int]] = []

    @contextmanager
    def works(self) -> Iterator[None]:
        before = blocks._blocks, blocks._to_give_back
        blocks._blocks, blocks._to_give_back = self.blocks, self.to_give_back
        try:
            yield
        finally:
            blocks._blocks, blocks._to_give_back = before

    def take(self, budget: blocks.Budget, cost: int = 1) -> blocks.Taken:
        with self.works():
            return blocks.take(budget, cost)

    def take_back(self, budget: blocks.Budget, cost: int, taken: blocks.Taken) -> None:
        with self.works():
            blocks.take_back(budget, cost, taken)

    def give_back(self) -> None:
        with self.works():
            blocks.give_back_all()

    def may_ask_again(self) -> None:
        for block in self.blocks.values():
            block.ask_again = 0

    def can_spend(self, budget: blocks.Budget) -> int:
        block = self.blocks.get(budget.name)
        return block.left if block and block.limit == budget.limit else 0

    def holds(self, starts: int) -> int:
        """What it holds of the window that starts there, also what it is about to give back."""
        held = sum(block.left for block in self.blocks.values() if block.starts == starts)
        return held + sum(number for _, window, number in self.to_give_back if window == starts)


def set_clock_back(processes: list[Process], seconds: int) -> None:
    """As if the database's clock stepped back: the windows that are stored lie ahead of it."""
    _move_windows(processes, seconds)


def let_windows_end(processes: list[Process], seconds: int) -> None:
    """As if so much time passed, by the database's clock and by that of the processes."""
    _move_windows(processes, -seconds)
    for process in processes:
        for block in process.blocks.values():
            block.ends -= seconds
            block.ask_again -= seconds


def _move_windows(processes: list[Process], seconds: int) -> None:
    for row in Budget.objects.all():
        Budget.objects.filter(pk=row.pk).update(starts=row.starts + seconds)
    for process in processes:
        for block in process.blocks.values():
            block.starts += seconds
        process.to_give_back[:] = [(name, starts + seconds, number) for name, starts, number in process.to_give_back]


@contextmanager
def answers_lost() -> Iterator[None]:
    """The database does what it is asked, and its answers are lost."""

    def lose(execute, sql, parameters, many, context):
        execute(sql, parameters, many, context)
        if "apikeys_budget" in sql:
            context["cursor"].fetchall() if "RETURNING" in sql else None
            raise OperationalError("The connection was lost.")

    with connection.execute_wrapper(lose):
        yield
