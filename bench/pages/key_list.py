"""V18: the settings page of a project with ten keys in use, beside its dashboard."""

from django.urls import reverse

from bench.pages.settings_page import Reader
from bench.pages.usage_page import used_project
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import databases

KEYS = 10
DAYS = 31  # every row has its sparkline
GOAL = Goal(most=1.3)
MOST_BYTES = 45_000  # of HTML, before compression


def beside_the_dashboard(stage: Stage) -> Measured:
    project = used_project(stage.url, stage.owner, DAYS, KEYS)
    databases.settle(stage.url)
    paths = [reverse(f"apikeys:{name}", args=[project.public_id]) for name in ("settings", "dashboard")]
    reader = Reader(stage.owner, stage.product)
    times = reader.milliseconds(paths, stage.plan.page_loads)
    sizes = [reader.size(path) for path in paths]
    raw = {"ms": times[0], "ms of the dashboard": times[1], "bytes": sizes[0], "bytes of the dashboard": sizes[1]}
    broken = "" if sizes[0] <= MOST_BYTES else f"{sizes[0]:,} bytes, of {MOST_BYTES:,}"
    row = Row("V18", f"settings page with {KEYS} keys", "dashboard", times[0] / times[1], GOAL, broken, raw=raw)
    return Measured([row], {})
