import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.budget import SECONDS, counts

# Only `make fuzz` installs schemathesis.
collect_ignore = [] if SECONDS else ["test_document.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the routes first, so that nothing else can use up their time."""
    if SECONDS:
        items.sort(key=lambda item: item.module.UNTIL)  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def counts_are_kept() -> Iterator[None]:
    """Writes the counts for the process that started this one and reports on both databases."""
    yield
    if path := os.environ.get("FUZZ_COUNTS"):
        Path(path).write_text(json.dumps(counts))
