"""A test that fails shows which errors the servers beside it have logged meanwhile."""

from collections.abc import Generator

import pytest

from tests.support.programs.servers import Server

MOST_LINES = 30
_before = pytest.StashKey[dict[Server, int]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    item.stash[_before] = {server: len(server.log_text()) for server in Server.running}
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    for server in Server.running if report.failed else ():
        lines = server.log_text()[item.stash.get(_before, {}).get(server, 0) :].splitlines()
        errors = [line for line in lines if "level='error'" in line][-MOST_LINES:]
        report.sections.append((f"Errors of the server at port {server.port}", "\n".join(errors) or "none"))
    return report
