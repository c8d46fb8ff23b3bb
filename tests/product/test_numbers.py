"""Every number that a person reads has its thousands apart: `1,234 keys`. `counted` of common/plurals.py writes it."""

import ast
import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.usage.models import KeyUse
from tests.support.places.access import ACCESS, OF_A_PROJECT, PERSONAS
from tests.support.places.pages import text
from tests.support.stored.rows import many_events, many_files, many_invitations, many_keys, many_members, many_projects

MANY = 1_234
OWNER = PERSONAS.index("owner")
PAGES = [
    route.pattern
    for route in OF_A_PROJECT
    if route.is_page and ACCESS[route.pattern].get("GET", (0,) * 6)[OWNER] == 200 and not route.pattern.endswith("csv")
]
PEOPLE = ["projects/", "notifications/", "accounts/delete/", "help/", "api/v1/docs"]
# Four digits or more, alone. What follows a letter, a dot or a slash is an id or an address, and the years are years.
BARE = re.compile(r"(?<![\w.:/#&;-])(?!20[2-4]\d\b)\d{4,}(?![\w-])")
NAMES = re.compile(r"\b(Project|Row|Member) \d+")  # of rows.py
TEMPLATES = Path(settings.BASE_DIR) / "templates"
# A number that an f-string puts before its noun. A constant is known to be small.
NUMBER = re.compile(r"len\(|\b(number|count|total|limit|more|destroyed)\b|settings\.(MOST|MAX)")
NOUN = re.compile(r" (?:[A-Za-z]+ )?(?:[a-z]{2,}s|more|people)\b")


@pytest.fixture
def crowded(project, api_key, owner, settings):
    """A project with 1,234 of each thing that can be counted."""
    settings.MAX_KEYS_PER_PROJECT = settings.MAX_PROJECTS_PER_USER = 12_345
    now = timezone.now()
    many_keys(project, 3 * MANY, responsible=owner, last_used_at=now)
    rows = list(project.api_keys.exclude(pk=api_key.pk).values_list("pk", flat=True))
    ApiKey.objects.filter(pk__in=rows[:MANY]).update(state="paused", paused_at=now)
    ApiKey.objects.filter(pk__in=rows[MANY : 2 * MANY]).update(expires_at=now - timedelta(minutes=1))
    for many in (many_members, many_invitations, many_files):
        many(project, MANY)
    many_events(api_key, MANY)
    many_projects(owner, MANY)
    hour = now.replace(minute=0, second=0, microsecond=0)
    KeyUse.objects.bulk_create(
        KeyUse(key=api_key, span=span, starts_at=start, outcome=outcome, calls=MANY, last_at=now)
        for span, start in (("hour", hour), ("day", hour.replace(hour=0)), ("month", hour.replace(day=1, hour=0)))
        for outcome in ("ok", "paused")
    )
    ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=now)
    return project


def test_no_page_shows_a_bare_number_of_thousands(crowded, api_key, viewer, invitation, signed_in, owner):
    ids = {"project_id": crowded.public_id, "key_id": api_key.public_id, "user_id": viewer.public_id}
    ids["invitation_id"] = invitation.public_id
    routes = {route.pattern: route for route in OF_A_PROJECT}
    paths = [routes[pattern].path(**ids) for pattern in PAGES] + PEOPLE
    client = signed_in(owner)
    said = {path: text(client.get(f"/{path.lstrip('/')}")) for path in paths}
    assert {path: found for path, words in said.items() if (found := BARE.findall(NAMES.sub("", words)))} == {}
    settings_page = said[routes["projects/<project_id:project_id>/settings/"].path(**ids)]
    assert "of 12,345 keys, and 1,234 expired" in settings_page
    assert sum(bool(re.search(r"\d,\d{3}", words)) for words in said.values()) >= 10


def test_templates_write_numbers_with_one_filter():
    """`counted` puts the thousands apart and has the noun's form, so `pluralize` is left for other words."""
    told = {path: path.read_text() for path in TEMPLATES.rglob("*.*") if path.suffix in (".html", ".txt")}
    assert len(told) > 100
    own = re.compile(r"\}\} [\w ]*\w\{\{ (?![^}]*:\"s,\")[^}]*\|pluralize")  # not the verb of one: it depends
    lists = re.compile(r"\{\{ [\w.]+\|length \}\}")
    wrong = {path.name: found for path, words in told.items() if (found := own.findall(words) + lists.findall(words))}
    small = {"index.html", "index_passkeys.html"}  # recovery codes and passkeys
    assert {name for name in wrong if name not in small} == set()
    assert [path.name for path, words in told.items() if "intcomma" in words] == []


def _bare_numbers(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        values = node.values if isinstance(node, ast.JoinedStr) else []
        for number, noun in pairwise(values):
            if not (isinstance(number, ast.FormattedValue) and isinstance(noun, ast.Constant)):
                continue
            said, after = ast.unparse(number.value), str(noun.value)
            if number.format_spec is None and "counted(" not in said and NUMBER.search(said) and NOUN.match(after):
                found.append(said + after[:20])
    return found


def test_messages_write_numbers_with_their_thousands_apart():
    apps = [Path(settings.BASE_DIR) / app for app in ("accounts", "apikeys", "common", "config", "projects")]
    files = [path for app in apps for path in app.rglob("*.py") if "migrations" not in path.parts]
    assert len(files) > 200
    files = [path for path in files if path.parent.name != "environment"]  # few hosts and options stand in a setting
    assert {path.name: found for path in files if (found := _bare_numbers(path))} == {}
