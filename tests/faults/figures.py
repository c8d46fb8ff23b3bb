"""What `make faults` prints at its end: each promise, what was measured, and what it may be at most.

The promises' times are for a machine that does nothing else. `make test` runs three other parts at the same time and
allows `shared_machine.factor` times as long: what has no limit at all still fails there.
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

FIGURES: list[Figure] = []


def measure(row: str, what: str, measured: float, *, at_most: float, unit: str = "") -> None:
    """Notes the figure for the table. Raises AssertionError if it breaks its bound."""
    figure = Figure(row, what, measured, at_most * (shared_machine.factor if unit == "s" else 1), unit)
    FIGURES.append(figure)
    assert figure.holds, figure.line()
