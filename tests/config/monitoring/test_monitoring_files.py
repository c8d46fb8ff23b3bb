"""The documentation, the dashboard and the alert rules name the metrics that a server has, and no others."""

import json
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.config.monitoring.test_metrics import TOKEN, scrape, wait_for
from tests.support.environment import REPOSITORY

pytestmark = pytest.mark.nodb

MONITORING = REPOSITORY / "docs" / "monitoring"
SUFFIXES = ("_bucket", "_count", "_sum", "_created")


@pytest.fixture
def scraped(start_server, api_key):
    """The families of a real scrape, once the housekeeping has told its numbers: name, kind and labels."""
    server = start_server(METRICS_TOKEN=TOKEN, HOUSEKEEPING_SECONDS="1")
    wait_for(server, {}, "latchkey_keys active", 1)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = server.request("GET", "/metrics", headers=headers, port=server.check_port).body.decode()
    assert len(scrape(server)) > 30
    return [*text_string_to_metric_families(text)]


def row_of(family) -> tuple[str, str, str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    return name, family.type, "".join(sorted(labels))


def samples_of(families) -> dict[str, dict[str, set[str]]]:
    """By sample: its labels, each with its values."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in families:
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return shown + asked + [rule["expr"] for group in groups for rule in group["rules"]]


def test_the_table_of_the_documentation_is_what_a_server_answers(scraped):
    section = (REPOSITORY / "docs" / "monitoring.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(latchkey_\w+)` \| (\w+) \| (?:`(\w+)`)? ?\| \S", section, re.MULTILINE)
    assert len(rows) > 10
    assert sorted(rows) == sorted(row_of(family) for family in scraped)


def test_dashboard_and_alert_rules_ask_for_metrics_labels_and_values_that_exist(scraped):
    samples = samples_of(scraped)
    assert len(expressions()) > 20
    for expression in expressions():
        names = re.findall(r"\blatchkey_\w+", expression)
        assert names or "up{" in expression, expression
        for name in names:
            assert name in samples, expression
        for name, chosen in re.findall(r"\b(latchkey_\w+)\{([^}]*)\}", expression):
            for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', chosen):
                if label != "instance":
                    assert set(values.split("|")) <= samples[name][label], expression
        for labels in re.findall(r"\b(?:by|label_values) \(([^)]*)\)", expression):
            known = {"instance", *(label for name in names for label in samples[name])}
            assert {label.strip() for label in labels.split(",")} <= known, expression


def test_each_metric_is_on_the_dashboard():
    """An operator who imports it sees everything."""
    section = (REPOSITORY / "docs" / "monitoring.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(latchkey_\w+)`", section, re.MULTILINE))
    shown = " ".join(expressions())
    assert not {name for name in documented if name not in shown}


def test_expressions_are_balanced_and_alerts_say_what_to_do():
    for expression in expressions():
        for pair in ("()", "{}", "[]"):
            assert expression.count(pair[0]) == expression.count(pair[1]), expression
        assert expression.count('"') % 2 == 0
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")


def test_events_that_the_alerts_name_are_written_by_the_code():
    named = set(re.findall(r"[Tt]he lines? ([a-z_]+)(?: and ([a-z_]+))?", (MONITORING / "alerts.yaml").read_text()))
    events = {event for pair in named for event in pair if event}
    assert len(events) > 5
    layers = ("apikeys", "common", "config")
    code = "".join(path.read_text() for layer in layers for path in (REPOSITORY / layer).rglob("*.py"))
    assert not {event for event in events if f'"{event}"' not in code}
