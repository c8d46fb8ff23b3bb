"""The alert rules, asked by Prometheus's own tool, about what real servers say."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apikeys.keys.services import create_key
from common.outbox.models import Email
from tests.config.monitoring.test_layouts import metrics_of
from tests.config.monitoring.test_metrics import PATH, bearer, wait_for
from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import Server

pytestmark = pytest.mark.nodb

ALERTS = REPOSITORY / "docs" / "monitoring" / "alerts.yaml"
MINUTES = 60
Firing = Callable[..., set[str]]


@pytest.fixture
def firing(tmp_path: Path, program: Callable[[str], str]) -> Firing:
    """The alerts that fire if the servers go on saying what they say now for an hour."""

    def ask(*servers: Server) -> set[str]:
        series = [each for number, server in enumerate(servers) for each in series_of(server, f"server-{number}")]
        rules = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
        expected = [{"eval_time": f"{MINUTES}m", "alertname": name, "exp_alerts": []} for name in rules]
        tests = [{"interval": "1m", "input_series": series, "alert_rule_test": expected}]
        file = tmp_path / "tests.yaml"
        file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
        command = [program("promtool"), "test", "rules", str(file)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        fired = set(re.findall(r"alertname: ?(\w+), time", found.stdout + found.stderr))
        assert fired or found.returncode == 0, found
        return fired

    return ask


def series_of(server: Server, instance: str) -> Iterable[dict[str, str]]:
    port = server.port if server.only == "pages" else server.check_port
    text = server.request("GET", PATH, headers=bearer(), port=port).body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {"job": "latchkey", "instance": instance, **sample.labels}
            names = ",".join(f'{name}="{value}"' for name, value in labels.items())
            yield {"series": f"{sample.name}{{{names}}}", "values": f"{sample.value}x{MINUTES}"}


@pytest.mark.parametrize("layout", [[""], ["pages", "check"], ["", "check"]])
def test_nothing_fires_in_a_layout_that_works(serve, firing, api_key, layout):
    Email.objects.all().delete()
    servers = [serve(only=only) for only in layout]
    for server in servers:
        if server.only != "pages":
            assert server.check(api_key.secret).status == 204
    metrics_of(*servers)
    assert firing(*servers) == set()


def test_a_check_whose_pages_nobody_scrapes_lacks_the_housekeeping_alone(serve, firing, api_key):
    assert firing(serve(only="check")) == {"LatchkeyHousekeepingStopped"}


def test_an_email_that_waits_for_a_mail_server_fires_whenever_the_next_try_is(serve, firing, project, owner):
    create_key(project=project, name="New", by=owner)
    Email.objects.update(created_at=timezone.now() - timedelta(hours=1))
    server = serve(EMAIL_URL=f"smtp://127.0.0.1:{free_port()}", MAIL_RETRY_SECONDS="3600")
    waited = "latchkey_outbox_oldest_seconds"
    assert wait_for(server, {}, waited, 3600)
    assert Email.objects.filter(tries=1, due_at__gt=timezone.now()).exists()
    assert firing(server) == {"LatchkeyEmailsLate"}


def test_the_files_of_prometheus_are_what_it_reads(program, serve, api_key):
    check = program("promtool")
    subprocess.run([check, "check", "rules", str(ALERTS)], check=True, capture_output=True)
    server = serve()
    metrics_of(server)
    text = server.request("GET", PATH, headers=bearer(), port=server.check_port).body
    found = subprocess.run([check, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")
