"""How `make bench` judges and prints its figures. These tests measure no time."""

import json
from dataclasses import replace

import pytest

from bench.load import LoadFailed, Pairs, Sample, parse
from bench.results import Goal, Row, all_pass, in_order, table, write_json

pytestmark = pytest.mark.nodb

RESULT = 'RESULT {"requests": 3000, "microseconds": 1500000, "errors": 0, "p50": 2500, "p99": 9000}'


def row(value: float, goal: Goal | None, **fields: bool) -> Row:
    return Row("V1", "checks per second", "the limit", value, goal, raw={"ours": 2000.0}, **fields)


def test_a_sample_is_read_from_the_output_of_wrk():
    sample = parse(f"Running 1s test\n\n{RESULT}\n")
    assert (sample.requests, sample.rate, sample.p50, sample.p99) == (3000, 2000, 2.5, 9)


@pytest.mark.parametrize(
    "output",
    ["", "unable to connect", RESULT.replace('"errors": 0', '"errors": 1'), RESULT.replace("3000", "0")],
    ids=["nothing", "no server", "a refused request", "no request"],
)
def test_a_sample_with_failures_is_none(output):
    with pytest.raises(LoadFailed):
        parse(output)


@pytest.mark.parametrize(
    ("value", "goal", "verdict"),
    [
        (0.75, Goal(least=0.75), "PASS"),
        (0.74, Goal(least=0.75), "FALLS SHORT"),
        (1.5, Goal(most=1.5), "PASS"),
        (1.6, Goal(most=1.5), "FALLS SHORT"),
        (1, Goal(most=0), "FALLS SHORT"),
        (0.1, None, "reported"),
    ],
)
def test_a_row_is_judged_by_its_goal(value, goal, verdict):
    assert row(value, goal).verdict == verdict
    assert all_pass([row(value, goal)]) is (verdict != "FALLS SHORT")


def test_a_minute_in_which_the_machine_is_busy_changes_no_ratio():
    ours, theirs = ([Sample(1, rate, 1, 1) for rate in rates] for rates in ((800, 80, 8), (1000, 100, 10)))
    assert Pairs(ours, theirs).ratio == 0.8


def test_a_row_falls_short_if_what_has_to_hold_besides_does_not():
    assert row(1, Goal(most=1.5), holds=False).verdict == "FALLS SHORT"


def test_rows_are_sorted_by_their_number():
    rows = [replace(row(1, None), id=name) for name in ("V18", "SQLite", "V2", "V9")]
    assert [sorted_row.id for sorted_row in in_order(rows)] == ["V2", "V9", "V18", "SQLite"]


def test_the_table_and_the_file_say_the_same(tmp_path):
    rows = [row(0.5, Goal(least=0.75)), row(2, None)]
    write_json(tmp_path / "new" / "bench.json", rows, {"bytes for a key": 600.0}, {"processors": 2})
    written = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert [entry["verdict"] for entry in written["rows"]] == ["FALLS SHORT", "reported"]
    assert written["rows"][0]["raw"] == {"ours": 2000.0}
    assert written["figures"] == {"bytes for a key": 600.0}
    lines = table(rows).splitlines()
    assert len(lines) == 3
    assert "≥ 0.75" in lines[1]
    assert lines[1].endswith("FALLS SHORT")
