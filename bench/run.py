"""A whole run, from an empty PostgreSQL to the table."""

import logging
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import django
from django.core.management import call_command

from bench import results
from bench.plan import Plan
from bench.results import Row
from bench.stage import Measured, NotMeasured, Stage
from bench.tools import cores, databases
from bench.tools.fill import new_emails
from tests.support.environment import postgres

PACKAGES = ("django", "granian", "psycopg", "djangorestframework", "djangorestframework-api-key", "django-rest-knox")


class Part(NamedTuple):
    """A function that measures these rows."""

    ids: tuple[str, ...]
    measure: Callable[[Stage], Measured]


def parts() -> list[Part]:
    """In the order in which they are measured."""
    from bench.pages import key_list, settings_page, usage_page  # they need Django set up
    from bench.promises import memory, stops, under_loads
    from bench.rates import behind_nginx, beside_better_auth, beside_peers, counted, far_database, hot_keys, many_keys

    return [
        Part(("V1", "V2", "V3", "V4", "R1", "R2"), beside_peers.beside_peers),
        Part(("V10.1", "V10.100", "V11"), hot_keys.with_lease),
        Part(("V13.on", "V13.off"), beside_better_auth.beside_better_auth),
        Part(("V15",), hot_keys.statements),
        Part(("V16",), behind_nginx.behind_nginx),
        Part(("V14",), far_database.with_far_database),
        Part(("R3", "R4"), far_database.with_other_threads),
        Part(("V5",), many_keys.with_many_keys),
        Part(("V12",), many_keys.used_evenly),
        Part(("L5",), counted.with_callers),
        Part(("B4",), counted.with_limits),
        Part(("V6",), stops.while_under_load),
        Part(("V7",), settings_page.settings_page),
        Part(("V8",), usage_page.a_year_of_use),
        Part(("V18",), key_list.beside_the_dashboard),
        Part(("V9",), memory.after_many_calls),
        Part(("V17",), under_loads.under_loads),
        Part(("S2", "S3", "S4"), beside_peers.on_sqlite),
    ]


def run(plan: Plan, path: Path, only: Sequence[str] = ()) -> int:
    """The exit code. With `only`, the rows of those names, and others that are measured with them."""
    started = time.monotonic()
    cores.leave_the_servers()
    postgres.start()
    try:
        django.setup()
        logging.disable(logging.INFO)  # only in this process, which loads some pages itself
        with _stage(plan) as stage:
            rows, figures = _measure(stage, only)
    finally:
        postgres.remove()
    circumstances = _circumstances(plan) | {"minutes": round((time.monotonic() - started) / 60, 1)}
    results.write_json(path, rows, figures, circumstances)
    print(
        f"\n{results.table(rows)}\n\n{results.raw_lines(rows, figures)}\n\n{results.summary(rows)} Written to {path}."
    )
    return results.exit_code(rows)


def _stage(plan: Plan) -> Stage:
    from tests.support.factories import UserFactory

    print("… filling the database", flush=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    headers = databases.fill_product(postgres.url, plan.few_keys)
    databases.create("untouched", template=postgres.url.rpartition("/")[2])
    databases.make_durable()
    databases.settle(postgres.url)
    new_emails()
    owner = UserFactory(email="owner@example.org")
    return Stage(url=postgres.url, untouched="untouched", headers=headers, owner=owner, plan=plan)


def _measure(stage: Stage, only: Sequence[str]) -> Measured:
    rows: list[Row] = []
    figures: dict[str, float] = {}
    for part in parts():
        if only and not {name for name in part.ids if name in only or name.partition(".")[0] in only}:
            continue
        print(f"… {', '.join(part.ids)}", flush=True)
        began = time.monotonic()
        measured = _measured(part, stage)
        rows += measured.rows
        figures |= measured.figures
        values = "".join(f"{row.id} {row.words}, " for row in measured.rows)
        print(f"  {values}{time.monotonic() - began:.0f} s", flush=True)
    return Measured(results.in_order(rows), figures)


def _measured(part: Part, stage: Stage) -> Measured:
    """A part that fails costs its own rows alone."""
    try:
        return part.measure(stage)
    except NotMeasured as missing:
        why = str(missing)
    except Exception as error:
        traceback.print_exc()
        why = f"{type(error).__name__}, see above"
    return Measured([Row(name, "–", "–", None, why=why) for name in part.ids], {})


def _circumstances(plan: Plan) -> dict[str, Any]:
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, timeout=10).stdout
    return {
        "plan": asdict(plan),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "wrk": wrk.partition("\n")[0].split("[")[0].strip(),
        "packages": {name: version(name) for name in PACKAGES},
    }
