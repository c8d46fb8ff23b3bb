"""V8: the usage page of 100 keys after a year of calls in every hour, compared with a day of such calls."""

from io import StringIO

from django.core.management import call_command
from django.urls import reverse

from accounts.models import User
from apikeys.usage.models import KeyUse, Span
from bench.pages.settings_page import Reader, owned_project
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import databases
from projects.models import Project

KEYS = 100
RANGES = ("24h", "30d", "12m")
GOAL = Goal(most=1.5)

_HOURS = """
INSERT INTO apikeys_keyuse (key_id, span, starts_at, outcome, calls, last_at, last_address)
SELECT k.id, 'hour', h, 'ok', 1 + k.id %% 50, h + interval '59 minutes', '203.0.113.7'
FROM apikeys_apikey k, generate_series(date_trunc('hour', now(), 'UTC') - %(days)s * interval '1 day',
                                       date_trunc('hour', now(), 'UTC') - interval '1 hour', '1 hour') h
WHERE k.project_id = %(project)s;

INSERT INTO apikeys_keyuse (key_id, span, starts_at, outcome, calls, last_at, last_address)
SELECT u.key_id, 'day', date_trunc('day', u.starts_at, 'UTC'), u.outcome, sum(u.calls), max(u.last_at), '203.0.113.7'
FROM apikeys_keyuse u JOIN apikeys_apikey k ON k.id = u.key_id
WHERE k.project_id = %(project)s AND u.span = 'hour'
GROUP BY u.key_id, date_trunc('day', u.starts_at, 'UTC'), u.outcome;

INSERT INTO apikeys_keyuse (key_id, span, starts_at, outcome, calls, last_at, last_address)
SELECT u.key_id, 'month', date_trunc('month', u.starts_at, 'UTC'), u.outcome, sum(u.calls), max(u.last_at),
       '203.0.113.7'
FROM apikeys_keyuse u JOIN apikeys_apikey k ON k.id = u.key_id
WHERE k.project_id = %(project)s AND u.span = 'day'
GROUP BY u.key_id, date_trunc('month', u.starts_at, 'UTC'), u.outcome;

INSERT INTO apikeys_projectuse (project_id, starts_at, outcome, calls)
SELECT k.project_id, u.starts_at, u.outcome, sum(u.calls)
FROM apikeys_keyuse u JOIN apikeys_apikey k ON k.id = u.key_id
WHERE k.project_id = %(project)s AND u.span = 'day'
GROUP BY k.project_id, u.starts_at, u.outcome;

UPDATE projects_project SET created_at = now() - interval '400 days' WHERE id = %(project)s;
UPDATE apikeys_apikey SET created_at = now() - interval '400 days', last_used_at = now() - interval '1 hour'
WHERE project_id = %(project)s
"""


def used_project(url: str, owner: User, days: int, keys: int = KEYS) -> Project:
    """A project whose keys were called at each hour of the last `days`, folded as a year of nights would leave it."""
    project = owned_project(owner, keys)
    databases.ask(url, _HOURS, {"project": project.pk, "days": days})
    call_command("foldusage", stdout=StringIO())
    return project


def _size(url: str) -> int:
    databases.ask(url, f"VACUUM (FULL, ANALYZE) {KeyUse._meta.db_table}")
    return int(databases.ask(url, f"SELECT pg_total_relation_size('{KeyUse._meta.db_table}')"))


def a_year_of_use(stage: Stage) -> Measured:
    """The range that slows down most, and the size of a year of a key's use."""
    url, owner = stage.url, stage.owner
    before, rows_before = _size(url), KeyUse.objects.count()
    year = used_project(url, owner, stage.plan.days)
    a_row = (_size(url) - before) / (KeyUse.objects.count() - rows_before)
    use = KeyUse.objects.filter(key__project=year)
    figures = {
        "bytes for a year of a key's use in every hour": a_row * use.count() / KEYS,
        "of these for days and months, which are kept": a_row * use.exclude(span=Span.HOUR).count() / KEYS,
    }
    day = used_project(url, owner, 1)
    databases.settle(url)
    pages = [reverse("apikeys:usage", args=[project.public_id]) for project in (year, day)]
    raw: dict[str, float] = {}
    ratios = []
    reader = Reader(owner, stage.product)
    for span in RANGES:
        of_year, of_day = reader.milliseconds([f"{page}?range={span}" for page in pages], stage.plan.page_loads)
        raw |= {f"{span}: ms of a year": of_year, f"{span}: ms of a day": of_day}
        ratios.append(of_year / of_day)
    measured = f"usage page, the slowest range, {KEYS} keys used hourly for {stage.plan.days} days"
    return Measured([Row("V8", measured, "for a day", max(ratios), GOAL, raw=raw)], figures)
