"""The table that `make faults` prints at its end: each promise, the measured value, and the limit.

The times of the promises are for a quiet machine. `make test` runs other tests at the same time and allows
`shared_machine.factor` times as long. A missing time limit still fails there.
"""

from collections.abc import Callable
from typing import NamedTuple


class Figure(NamedTuple):
    row: str
    what: str
    measured: float
    bound: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.measured <= self.bound

    def line(self) -> str:
        number = "{:.2f}" if self.unit == "s" else "{:g}"
        measured, bound = (f"{number.format(value)} {self.unit}".strip() for value in (self.measured, self.bound))
        return f"{self.row:<4} {self.what:<66} {measured:>10}  at most {bound:<8} {'' if self.holds else 'BROKEN'}"


class SharedMachine:
    factor = 1


shared_machine = SharedMachine()
Measure = Callable[..., None]

FIGURES: list[Figure] = []  # of the test that runs


def note(row: str, what: str, measured: float, *, at_most: float, unit: str = "") -> Figure:
    """Notes the figure for the table, and fails nothing."""
    figure = Figure(row, what, measured, at_most * (shared_machine.factor if unit == "s" else 1), unit)
    FIGURES.append(figure)
    return figure


def measure(row: str, what: str, measured: float, *, at_most: float, unit: str = "") -> None:
    """Notes the figure for the table. Raises AssertionError if it exceeds its limit."""
    figure = note(row, what, measured, at_most=at_most, unit=unit)
    assert figure.holds, figure.line()
