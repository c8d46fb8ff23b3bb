"""How `make bench` judges and prints its figures, and that each of its parts runs. These tests assert no time."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.results import Goal, Row, exit_code, in_order, summary, table, write_json
from bench.tools.comparing import Pairs
from bench.tools.load import Contender, LoadFailed, Sample, check, parse
from tests.support.environment import REPOSITORY, lacking
from tests.support.gateways.proxies import Received, Recorder, find
from tests.support.programs.postgres import find_binaries

pytestmark = pytest.mark.nodb

RESULT = 'RESULT {"requests": 3000, "microseconds": 1500000, "errors": 0, "p50": 2500, "p99": 9000}'


# A run of these takes minutes where the machine is busy.
MOST_SECONDS = 1800
IDS = [
    *("V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9", "V10.1", "V10.100", "V11", "V12", "V13.off", "V13.on"),
    *("V14", "V15", "V16", "V17", "V18", "B4", "L5", "R1", "R2", "R3", "R4", "S2", "S3", "S4"),
]


def row(value: float | None, goal: Goal | None, **fields: str) -> Row:
    return Row("V1", "checks per second", "the limit", value, goal, raw={"ours": 2000.0}, **fields)  # type: ignore[arg-type]


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
    assert exit_code([row(value, goal)]) == (verdict == "FALLS SHORT")


def test_a_minute_in_which_the_machine_is_busy_changes_no_ratio():
    ours, theirs = ([Sample(1, rate, 1, 1) for rate in rates] for rates in ((800, 80, 8), (1000, 100, 10)))
    assert Pairs(ours, theirs).ratio == 0.8


def test_the_ratio_of_few_pairs_lies_anywhere_between_them_and_that_of_many_near_their_median():
    def pairs(number: int) -> Pairs:
        # Half of the pairs are at 1, and some are far away.
        rates = [100, 9000, 1000, *([990, 1010] * number)][:number]
        return Pairs([Sample(1, rate, 1, 1) for rate in rates], [Sample(1, 1000, 1, 1)] * number)

    assert pairs(3).between == (0.1, 9)
    assert not pairs(3).is_certain
    assert pairs(25).between == (0.99, 1.01)
    assert pairs(25).is_certain


def test_a_busy_machine_changes_no_ratio_by_processor_time():
    ours, theirs = [Sample(800, 80, 1, 1, 0.1)], [Sample(500, 500, 1, 1, 0.05)]
    assert Pairs(ours, theirs).by_processor_time == 0.8
    assert Pairs([Sample(1, 1, 1, 1)], theirs).by_processor_time is None


def test_a_row_says_which_other_condition_it_breaks():
    broken = row(1, Goal(most=1.5), broken="46,000 bytes, of 45,000")
    assert broken.verdict == "FALLS SHORT: 46,000 bytes, of 45,000"
    assert exit_code([broken]) == 1


def test_a_row_that_was_not_measured_says_why():
    missing = replace(row(None, None, why="npm is missing"), id="V13")
    assert missing.verdict == "NOT MEASURED: npm is missing"
    assert exit_code([row(1, None), missing]) == 2
    assert summary([row(1, None), missing]) == "No row fell short of its goal. Not measured: V13."
    assert summary([row(1, Goal(least=2)), missing]) == "Fell short: V1. Not measured: V13."
    assert exit_code([row(1, Goal(least=2)), missing]) == 1


def test_rows_are_sorted_by_their_number():
    rows = [replace(row(1, None), id=name) for name in ("V18", "S2", "V10.100", "V2", "V10.1", "B4", "V9")]
    assert [each.id for each in in_order(rows)] == ["V2", "V9", "V10.1", "V10.100", "V18", "B4", "S2"]


class AllowsAll(Recorder):
    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b""


def test_a_peer_that_allows_a_bad_key_is_not_measured():
    with AllowsAll.running() as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        check(Contender("none", url, ["Bearer any"], None))
        with pytest.raises(LoadFailed, match="allows a bad key"):
            check(Contender("a peer", url, ["Bearer good"], "Bearer bad"))


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


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory) -> dict[str, dict]:
    """The rows of a run with the smallest amounts, by their names."""
    for program in ("wrk", "node", "npm", "nginx"):
        if not (find(program) or shutil.which(program)):
            lacking(program)
    if find_spec("knox") is None:
        lacking("the group bench of pyproject.toml")
    if find_binaries() is None:
        lacking("PostgreSQL")
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    rows = _run_of_the_bench(path)
    # As all slow tests, a row has a second try.
    missing = [name for name in rows if rows[name]["value"] is None]
    return rows | (_run_of_the_bench(path, "--only", ",".join(missing)) if missing else {})


def _run_of_the_bench(path: Path, *options: str) -> dict[str, dict]:
    command = [sys.executable, "-m", "bench", "--tiny", "--json", str(path), *options]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=MOST_SECONDS)
    print(ended.stdout, ended.stderr)  # pytest shows it if a test fails
    assert path.exists()
    return {row["id"]: row for row in json.loads(path.read_text())["rows"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_each_row_is_measured(tiny_run, name):
    assert tiny_run[name]["value"] is not None, tiny_run[name]["verdict"]


@pytest.mark.slow
def test_the_run_has_no_other_rows(tiny_run):
    assert set(tiny_run) == set(IDS)


@pytest.mark.slow
def test_what_is_no_time_holds_in_a_tiny_run_too(tiny_run):
    assert tiny_run["V6"]["value"] == 0, tiny_run["V6"]["raw"]
    assert not tiny_run["V16"]["broken"]
