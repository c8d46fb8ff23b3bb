"""Rows of the table, and their output as text and JSON."""

import json
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

    `holds` is a further condition besides the goal. `raw` are the figures that the value was computed from.
    """

    id: str
    measured: str
    against: str
    value: float
    goal: Goal | None = None
    holds: bool = True
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return "reported"
        return "PASS" if self.holds and self.goal.is_met(self.value) else "FALLS SHORT"


def in_order(rows: Sequence[Row]) -> list[Row]:
    """By number, V9 before V18; rows without a number last."""
    return sorted(rows, key=lambda row: (row.id[0] != "V", len(row.id), row.id))


HEADINGS = ("id", "measured", "against", "value", "goal", "")


def table(rows: Sequence[Row]) -> str:
    cells = [HEADINGS] + [
        (row.id, row.measured, row.against, f"{row.value:.2f}", str(row.goal or ""), row.verdict) for row in rows
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


def all_pass(rows: Sequence[Row]) -> bool:
    return all(row.verdict != "FALLS SHORT" for row in rows)


def write_json(path: Path, rows: Sequence[Row], figures: dict[str, float], circumstances: dict[str, Any]) -> None:
    written = {
        "rows": [asdict(row) | {"goal": str(row.goal or ""), "verdict": row.verdict} for row in rows],
        "figures": figures,
        "circumstances": circumstances,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
