"""Decides which tests `make quick` leaves out: tests that start a program, tests in certain folders, and tests marked
`slow`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
# Tests of every page and every parameter, and tests that need a browser or many seconds.
PLACES = ("apikeys/verify/apis", "apikeys/verify/gateways", "browser", "config/backups", "faults", "fuzz", "product")
FOLDERS = [TESTS / name for name in PLACES]
# Names in the modules that start programs which tests can use without starting one.
HARMLESS = {
    "free_port",
    "in_parallel",
    "rounds_in_parallel",
    "postgres",
    "find_binaries",
    "database_url",
    "session_headers",
}
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
_forbidden = False


def mark(items: list[pytest.Item]) -> None:
    """A slow test that fails is tried a second time, and the report names it.

    A machine that stands still for some seconds fails a test that waits for other programs. It fails no other test. The
    tests of `make faults` have one try: they measure how long things take.
    """
    for item in items:
        if isinstance(item, pytest.Function) and (_lies_in_a_folder(item) or _may_start_a_program(item)):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and not item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows why a test needed its second try."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"First try of {report.nodeid}", sep="_")
        terminalreporter.line(report.longreprtext)


def _lies_in_a_folder(item: pytest.Function) -> bool:
    return any(item.path.is_relative_to(folder) for folder in FOLDERS)


def _may_start_a_program(item: pytest.Function) -> bool:
    """Whether the test, one of its fixtures, or a function that they call names something that starts a program."""
    definitions: Any = item._fixtureinfo.name2fixturedefs
    fixtures = [definition.func for name in definitions for definition in definitions[name]]
    return any(_reaches_a_starter(function) for function in [item.function, *fixtures])


@cache
def _reaches_a_starter(function: Callable[..., Any]) -> bool:
    """Remembered, because most tests have the same fixtures."""
    return _reaches(function, set())


def _reaches(function: Callable[..., Any], seen: set[Any]) -> bool:
    if not isinstance(function, FunctionType) or function in seen or "/tests/" not in function.__code__.co_filename:
        return False
    seen.add(function)
    for name in _names(function.__code__):
        thing = function.__globals__.get(name)
        if name == "fork" or (name not in HARMLESS and (_is_a_starter(thing) or _reaches(thing, seen))):  # type: ignore[arg-type]
            return True
    return False


def _names(code: CodeType) -> Iterator[str]:
    """The names that the code uses, including inner functions."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_a_starter(thing: Any) -> bool:
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return module == "subprocess" or str(module).startswith("tests.support.programs.")


# `make quick` notices a missing mark, because a test that starts a program fails there.


@contextmanager
def no_program() -> Iterator[None]:
    global _forbidden
    _forbidden = True
    try:
        yield
    finally:
        _forbidden = False


def _refuse(event: str, _arguments: Any) -> None:
    if _forbidden and event in STARTS:
        raise AssertionError("This test starts a program: mark it with @pytest.mark.slow (tests/support/slow.py).")


sys.addaudithook(_refuse)
