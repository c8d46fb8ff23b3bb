"""V18: the settings page of a project with ten keys in use, beside its dashboard."""

from django.urls import reverse

from accounts.models import User
from bench import databases, servers
from bench.pages import Reader
from bench.plan import Plan
from bench.results import Goal, Row
from bench.usage_page import used_project

KEYS = 10
DAYS = 31  # every row has its sparkline
GOAL = Goal(most=1.3)
MOST_BYTES = 45_000  # of HTML, before compression


def beside_the_dashboard(url: str, owner: User, plan: Plan) -> Row:
    project = used_project(url, owner, DAYS, KEYS)
    databases.settle(url)
    paths = [reverse(f"apikeys:{name}", args=[project.public_id]) for name in ("settings", "dashboard")]
    with servers.product(url) as product:
        reader = Reader(owner, product)
        times = reader.milliseconds(paths, plan.page_loads)
        sizes = [reader.size(path) for path in paths]
    raw = {"ms": times[0], "ms of the dashboard": times[1], "bytes": sizes[0], "bytes of the dashboard": sizes[1]}
    holds = sizes[0] <= MOST_BYTES
    return Row("V18", f"settings page with {KEYS} keys", "dashboard", times[0] / times[1], GOAL, holds, raw)
