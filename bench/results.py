"""Rows of the table, and their output as text and JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A lower or an upper bound of a value."""

    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        bounds = ((self.least, "≥"), (self.most, "≤"))
        return " ".join(f"{sign} {bound:g}" for bound, sign in bounds if bound is not None)


@dataclass(frozen=True)
class Row:
    """A value, mostly a ratio. A row without a goal is only reported.

    `broken` says which further condition does not hold, besides the goal. `between` is how well the value is known.
    `raw` are the figures that it was computed from. Without a value, `why` says why nothing was measured.
    """

    id: str
    measured: str
    against: str
    value: float | None
    goal: Goal | None = None
    broken: str = ""
    between: tuple[float, float] | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return f"NOT MEASURED: {self.why}"
        if self.goal is None:
            return "reported"
        if self.broken:
            return f"FALLS SHORT: {self.broken}"
        return "PASS" if self.goal.is_met(self.value) else "FALLS SHORT"

    @property
    def falls_short(self) -> bool:
        return self.verdict.startswith("FALLS SHORT")

    @property
    def words(self) -> str:
        """The value, and how well it is known."""
        if self.value is None:
            return "–"
        digits = 4 if self.goal and self.goal.most and self.goal.most < 0.1 else 2
        spread = " ({:.2f} to {:.2f})".format(*self.between) if self.between else ""
        return f"{self.value:.{digits}f}{spread}"


def in_order(rows: Sequence[Row]) -> list[Row]:
    """By number, V9 before V18; rows of other letters last."""
    return sorted(
        rows, key=lambda row: (row.id[0] != "V", row.id[0], [int(n) for n in _NUMBER.findall(row.id)], row.id)
    )


_NUMBER = re.compile(r"[0-9]+")
HEADINGS = ("id", "measured", "against", "value", "goal", "")


def table(rows: Sequence[Row]) -> str:
    cells = [HEADINGS] + [
        (row.id, row.measured, row.against, row.words, str(row.goal or ""), row.verdict) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def raw_lines(rows: Sequence[Row], figures: dict[str, float]) -> str:
    lines = [f"{row.id}: " + ", ".join(f"{name} {_short(value)}" for name, value in row.raw.items()) for row in rows]
    return "\n".join(lines + [f"{name}: {_short(value)}" for name, value in figures.items()])


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def summary(rows: Sequence[Row]) -> str:
    """One sentence: which rows fell short, and which were not measured."""
    short = [row.id for row in rows if row.falls_short]
    missing = [row.id for row in rows if row.value is None]
    said = f"Fell short: {', '.join(short)}." if short else "No row fell short of its goal."
    return said + (f" Not measured: {', '.join(missing)}." if missing else "")


def exit_code(rows: Sequence[Row]) -> int:
    """1 if a row falls short, 2 if one could not be measured, else 0."""
    if any(row.falls_short for row in rows):
        return 1
    return 2 if any(row.value is None for row in rows) else 0


def write_json(path: Path, rows: Sequence[Row], figures: dict[str, float], circumstances: dict[str, Any]) -> None:
    written = {
        "rows": [asdict(row) | {"goal": str(row.goal or ""), "verdict": row.verdict} for row in rows],
        "figures": figures,
        "circumstances": circumstances,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
