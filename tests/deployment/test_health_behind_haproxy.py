"""Production servers behind the documented HAProxy, which asks each server for its health without saying a protocol."""

import json
import threading
from typing import Any

import pytest

from tests.support.environment import ON_SQLITE
from tests.support.gateways.balancers import BalancingHaproxy, balanced
from tests.support.programs.servers import Server, database_url
from tests.support.settings.production import production_environment

pytestmark = [
    pytest.mark.skipif(ON_SQLITE, reason="production refuses SQLite"),
    pytest.mark.django_db(transaction=True),
]


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]


def health_checks(server: Server) -> int:
    return sum("/health/ready" in str(line.get("request")) and line["status"] == 200 for line in lines(server))


def test_the_checks_of_a_load_balancer_leave_no_warning_and_no_error(start_server, tmp_path):
    environment = {**production_environment(), "DATABASE_URL": database_url()}
    servers = [start_server(HOUSEKEEPING_SECONDS="3600", **environment) for _ in range(2)]
    with balanced(BalancingHaproxy, tmp_path, servers) as haproxy:
        for _ in range(600):
            if all(health_checks(server) >= 3 for server in servers):
                break
            threading.Event().wait(0.1)
        assert haproxy.request(path="/accounts/login/", headers={"Host": "keys.example.com"}).status_code == 301
    for server in servers:
        assert health_checks(server) >= 3
        assert [line for line in lines(server) if line["level"] in {"warning", "error"}] == []
