from collections.abc import Callable
from typing import Any

import pytest

from tests.config.monitoring.test_metrics import TOKEN
from tests.support.programs.servers import Server

Serve = Callable[..., Server]


@pytest.fixture
def serve(start_server: Serve) -> Serve:
    """Starts servers with metrics whose housekeeping tells its numbers soon."""

    def start(**options: Any) -> Server:
        return start_server(METRICS_TOKEN=TOKEN, HOUSEKEEPING_SECONDS="1", **options)

    return start
