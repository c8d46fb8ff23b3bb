"""A whole run, from an empty PostgreSQL to the table."""

import logging
import os
import platform
import subprocess
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from bench import databases, results
from bench.plan import Plan
from tests.support.environment import postgres

PACKAGES = ("django", "granian", "psycopg", "djangorestframework", "djangorestframework-api-key", "django-rest-knox")


def run(plan: Plan, path: Path) -> bool:
    """Returns whether all rows reach their goals."""
    started = time.monotonic()
    postgres.start()
    try:
        django.setup()
        logging.disable(logging.INFO)  # only in this process, which loads some pages itself
        rows, figures = _measure(plan)
    finally:
        postgres.remove()
    circumstances = _circumstances(plan) | {"minutes": round((time.monotonic() - started) / 60, 1)}
    results.write_json(path, rows, figures, circumstances)
    print(f"\n{results.table(rows)}\n\n{results.raw_lines(rows, figures)}\n\nWritten to {path}.")
    return results.all_pass(rows)


def _measure(plan: Plan) -> tuple[list[results.Row], dict[str, float]]:
    from bench import key_list, memory, pages, rates, stops, usage_page  # they need Django set up
    from tests.support.factories import UserFactory

    _say("filling the database")
    call_command("collectstatic", interactive=False, verbosity=0)
    url = postgres.url
    headers = databases.fill_product(url, plan.few_keys)
    databases.settle(url)
    databases.make_durable()
    _say("V1 to V4")
    rows, figures = rates.beside_peers(url, headers, plan)
    _say("V5", rows)
    more_rows, more_figures = rates.with_many_keys(url, headers, plan)
    rows, figures = rows + more_rows, figures | more_figures
    _say("L5", rows)
    rows.append(rates.with_callers(url, headers, plan))
    _say("B4", rows)
    rows.append(rates.with_limits(url, headers, plan))
    owner = UserFactory(email="owner@example.org")
    _say("V6", rows)
    rows.append(stops.while_under_load(url, owner, plan))
    _say("V7", rows)
    rows.append(pages.settings_page(url, owner, plan))
    _say("V8", rows)
    year, more_figures = usage_page.a_year_of_use(url, owner, plan)
    rows, figures = [*rows, year], figures | more_figures
    _say("V18", rows)
    rows.append(key_list.beside_the_dashboard(url, owner, plan))
    _say("V9", rows)
    rows.append(memory.after_many_calls(url, headers, plan))
    _say("SQLite", rows)
    return results.in_order(rows) + rates.on_sqlite(plan), figures


def _say(what: str, so_far: list[results.Row] | None = None) -> None:
    values = ", ".join(f"{row.id} {row.value:.2f}" for row in so_far or [])
    print(f"… {what}" + (f" (so far: {values})" if values else ""), flush=True)


def _circumstances(plan: Plan) -> dict[str, Any]:
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, timeout=10).stdout
    return {
        "plan": asdict(plan),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "wrk": wrk.partition("\n")[0].split("[")[0].strip(),
        "packages": {name: version(name) for name in PACKAGES},
    }
