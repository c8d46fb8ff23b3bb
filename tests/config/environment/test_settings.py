"""Settings with which a server starts, and settings with which it refuses to. Each start is a separate process. Those
that differ only in their environment are forks of one process.
"""

import re
import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment.given_addresses import refuse_foreign_host
from tests.support.environment import REPOSITORY
from tests.support.programs.forks import Outcome, run_each
from tests.support.settings.production import production_environment

pytestmark = pytest.mark.nodb

SECRETS = {"key_peppers", "key_ring", "secret_key"}
# Prints the settings that secrets decide.
PRINT = """
from django.conf import settings
names = "SECRET_KEY SECRET_KEY_FALLBACKS KEY_PEPPERS KEY_RING EMAIL_HOST EMAIL_PORT OIDC_CLIENT_SECRET".split()
print([getattr(settings, name) for name in names], settings.CACHES["default"]["LOCATION"], settings.DATABASES)
"""


def manage(tmp_path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with an empty data directory and no other variables in its environment."""
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:config", "manage.py", *arguments],
        cwd=REPOSITORY,
        env={"DATA_DIR": str(tmp_path / "data"), **environment},
        capture_output=True,
        text=True,
    )


def in_each(tmp_path, arguments: list[str], environments: list[dict[str, str]]) -> list[Outcome]:
    """Like `manage`, in each environment. The data directories are empty."""
    folders = [{"DATA_DIR": str(tmp_path / f"data-{number}")} for number in range(len(environments))]
    return run_each(
        arguments, [folder | environment for folder, environment in zip(folders, environments, strict=True)]
    )


REQUIRED = [
    *("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "KEY_PEPPERS", "KEY_RING"),
    # The default sender, latchkey@localhost, reaches nobody.
    *("EMAIL_URL", "DEFAULT_FROM_EMAIL"),
]


def test_production_names_everything_that_is_missing(tmp_path):
    result = manage(tmp_path, "check", ENV="production")
    assert result.returncode != 0
    for name in REQUIRED:
        assert f"{name} is missing" in result.stderr
    assert not (tmp_path / "data" / "secrets").exists()


def test_production_names_the_one_thing_that_is_missing(tmp_path):
    whole = production_environment()
    environments = [{key: value for key, value in whole.items() if key != name} for name in REQUIRED]
    for name, outcome in zip(REQUIRED, in_each(tmp_path, ["check"], environments), strict=True):
        assert outcome.status != 0
        assert re.findall(r"(\w+) is missing", outcome.stderr.splitlines()[-1]) == [name]


# A slash that is not percent-encoded ends the host, so the password is read as the port.
UNREADABLE = {
    "database": {"DATABASE_URL": "postgresql://latchkey:hunter2/x@db.internal/latchkey"},
    "database with a port that is none": {"DATABASE_URL": "postgresql://latchkey:hunter2@db.internal:99999/latchkey"},
    "database of another kind": {"DATABASE_URL": "hunter2://db.internal/latchkey"},
    "mails": {"EMAIL_URL": "smtp://latchkey:hunter2/x@mail.example.com"},
    "mails in a misspelt way": {"EMAIL_URL": "smpt://latchkey:hunter2@mail.example.com"},
    "patience with mails": {"EMAIL_URL": "smtp://mail.example.com?timeout=hunter2"},
    "cache": {"CACHE_URL": "redis://:hunter2/x@cache.internal/0"},
    "cache with an option that is none": {"CACHE_URL": "redis://:hunter2@cache.internal/0?hunter2=1"},
    "cache with a wrong option": {"CACHE_URL": "rediss://:hunter2@cache.internal/0?ssl_cert_reqs=hunter2"},
}


def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(tmp_path):
    """T29: this holds on a local server too, and for every program that loads the settings. Only manage.py hides
    tracebacks.
    """
    checked, loaded = (
        in_each(tmp_path, arguments, list(UNREADABLE.values()))
        for arguments in (["check"], ["-c", "import config.settings"])
    )
    for (case, [name]), check, load in zip(UNREADABLE.items(), checked, loaded, strict=True):
        assert_refused(check, name, case)
        assert "%2F" in check.stderr, case
        assert f"ImproperlyConfigured: {name} cannot be read" in load.stderr, case
        assert "Traceback" in load.stderr, case
        assert "hunter2" not in load.stderr, case


def assert_refused(outcome, named, case):
    """The message names the variable, without other lines around it and without its value."""
    assert outcome.status != 0, case
    assert re.search(rf"\b{named}\b", outcome.stderr), case
    assert "Traceback" not in outcome.stderr, case
    assert "hunter2" not in outcome.stdout + outcome.stderr, case


def test_production_takes_what_is_unusual_but_right(tmp_path):
    """0 failed keys means no limit. Percent-encoded values are decoded correctly."""
    unusual = {
        "FAILED_KEYS_PER_MINUTE": "0",
        "REAUTHENTICATION_SECONDS": "60",
        "USAGE_FLUSH_SECONDS": "0.05",
        "ALLOWED_HOSTS": "keys.example.com,127.0.0.1",
        "BASE_URL": "https://127.0.0.1:8443/",
        "API_URL": "http://[::1]:8000/api/v1",
        "DATABASE_URL": "postgresql://latchkey:a%2Fb@%2Frun%2Fpostgresql/latchkey",
        "EMAIL_URL": "smtp://latchkey:c%2Fd@127.0.0.1:1?timeout=20",
        "CACHE_URL": "rediss://:e%2Ff@cache.internal:6379/3?socket_timeout=2",
    }
    show = (
        "from django.conf import settings as s; "
        "print(s.DATABASES['default']['PASSWORD'], s.EMAIL_HOST_PASSWORD, s.EMAIL_TIMEOUT, s.BASE_URL, s.API_URL)"
    )
    result = manage(tmp_path, "shell", "-v", "0", "-c", show, **{**production_environment(), **unusual})
    assert result.stdout == "a/b c/d 20 https://127.0.0.1:8443 http://[::1]:8000/api/v1\n", result.stderr


def test_a_misspelt_environment_is_refused_rather_than_taken_for_local(tmp_path):
    result = manage(tmp_path, "check", **{**production_environment(), "ENV": "prod"})
    assert result.returncode != 0
    assert "ENV must be" in result.stderr


def test_the_deployment_check_finds_nothing_in_production(tmp_path):
    """T20"""
    hsts = {"HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"}
    result = manage(tmp_path, "check", "--deploy", "--fail-level", "DEBUG", **production_environment(), **hsts)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "System check identified no issues (0 silenced).\n"


def test_production_reads_its_secrets_from_files_too(tmp_path):
    """A file ends with a line break."""
    environment = production_environment() | {
        "SECRET_KEY_FALLBACKS": "f" * 60,
        "CACHE_URL": "redis://:password@cache.example.com/1",
        "OIDC_ISSUER": "https://login.example.com",
        "OIDC_CLIENT_ID": "latchkey",
        "OIDC_CLIENT_SECRET": "a secret",
    }
    names = [name for name in environment if name.endswith(("KEY", "FALLBACKS", "PEPPERS", "RING", "URL", "SECRET"))]
    wanted = manage(tmp_path, "shell", "-c", PRINT, **environment)
    for name in names:
        (tmp_path / name).write_text(environment.pop(name) + "\n")
        environment[f"{name}_FILE"] = str(tmp_path / name)
    assert len(names) == 8
    found = manage(tmp_path, "shell", "-c", PRINT, **environment)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == wanted.stdout
    assert not (tmp_path / "data" / "secrets").exists()


def test_a_local_server_makes_its_secrets_once_and_for_its_user_alone(tmp_path):
    folder = tmp_path / "data" / "secrets"
    assert manage(tmp_path, "check").returncode == 0
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert made.keys() == SECRETS
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert manage(tmp_path, "check").returncode == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_servers_that_start_at_once_agree_on_their_secrets(tmp_path):
    command = [sys.executable, "-c", "from config import settings as s; print(s.SECRET_KEY, s.KEY_RING, s.KEY_PEPPERS)"]
    environment = {"DATA_DIR": str(tmp_path)}
    starts = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    assert len({start.communicate()[0] for start in starts}) == 1
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == SECRETS


def test_a_cache_of_another_kind_is_refused_without_repeating_its_address(tmp_path):
    urls = ["memcached://hunter2@127.0.0.1", "locmem://", "redis.example.com:6379", "http://redis"]
    for url, outcome in zip(urls, in_each(tmp_path, ["check"], [{"CACHE_URL": url} for url in urls]), strict=True):
        assert outcome.status != 0, url
        assert "CACHE_URL must be empty, or a redis:// or rediss:// address" in outcome.stderr.splitlines()[-1], url
        assert "hunter2" not in outcome.stdout + outcome.stderr, url


def test_redis_without_its_package_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "redis.py").write_text("raise ImportError")
    result = manage(tmp_path, "check", CACHE_URL="redis://127.0.0.1", PYTHONPATH=str(tmp_path))
    assert result.returncode != 0
    assert "uv sync --frozen --extra redis" in result.stderr.splitlines()[-1]


def test_a_database_is_prepared_with_redis_too_and_works_without_it_later(tmp_path, redis_server):
    manage(tmp_path, "check")  # makes the secrets, and says so
    for arguments in (("migrate", "-v", "0"), ("demo",)):
        result = manage(tmp_path, *arguments, CACHE_URL=redis_server.url)
        assert (result.returncode, result.stderr) == (0, "")
    ask = "from django.core.cache import caches as c; c['default'].set('a', 1); print(type(c['default']).__name__)"
    for url, kind in ((redis_server.url, "RedisCache"), ("", "DatabaseCache")):
        result = manage(tmp_path, "shell", "-v", "0", "-c", ask, CACHE_URL=url)
        assert result.stdout.strip() == kind, result.stderr


BASES = {
    "a local server": ({}, "http://localhost:8000"),
    "a local server elsewhere": ({"HOST": "0.0.0.0", "PORT": "9000"}, "http://localhost:9000"),  # noqa: S104
    "a local server at an IPv6 address": ({"HOST": "::1"}, "http://localhost:8000"),
    "a local server that was told": ({"BASE_URL": "http://keys.test/"}, "http://keys.test"),
    "production": (production_environment(), "https://keys.example.com"),
    "production with several names": (
        production_environment() | {"ALLOWED_HOSTS": ".example.org, b.example"},
        "https://example.org",
    ),
    "production that was told": (
        production_environment() | {"ALLOWED_HOSTS": ".example.com", "BASE_URL": "https://k.example.com:8443"},
        "https://k.example.com:8443",
    ),
}


def test_links_in_mails_lead_to_where_people_find_the_server(tmp_path):
    show = ["-c", "from config import settings as s; print(s.BASE_URL, s.EMAIL_TIMEOUT)"]
    outcomes = in_each(tmp_path, show, [environment for environment, _ in BASES.values()])
    for (case, (_, base)), outcome in zip(BASES.items(), outcomes, strict=True):
        assert outcome == (0, f"{base} 10\n", ""), case


def test_links_in_emails_lead_to_a_host_that_is_answered():
    """A host in CSRF_TRUSTED_ORIGINS counts, too: the proxy in front of it sends another Host, and every form is
    accepted.
    """
    for address, hosts, trusted in (
        ("https://keys.example.com:8443", ["a.test", "keys.example.com"], []),
        ("https://Keys.Example.com", ["keys.example.com"], []),
        ("https://keys.example.com", [".example.com"], []),
        ("https://example.com", [".example.com"], []),
        ("https://[::1]:8443", ["[::1]"], []),
        ("https://schlüssel.test", ["xn--schlssel-95a.test"], []),
        ("https://keys.example.com:8443", ["internal"], ["https://keys.example.com:8443"]),
        ("https://keys.example.com", ["internal"], ["https://*.example.com"]),
    ):
        refuse_foreign_host("BASE_URL", address, hosts, trusted)
    for address, hosts, trusted in (
        ("https://example.org", ["keys.example.com", ".example.net"], []),
        ("https://a.keys.example.com", ["keys.example.com"], ["https://b.example.com"]),
        ("https://[::2]", ["[::1]"], []),
    ):
        with pytest.raises(ImproperlyConfigured, match="BASE_URL: ALLOWED_HOSTS lacks '"):
            refuse_foreign_host("BASE_URL", address, hosts, trusted)


def test_a_technical_page_shows_settings_without_the_passwords_in_addresses(tmp_path):
    """T29: Django's error page with DEBUG on."""
    show = "from django.views import debug; print(debug.get_default_exception_reporter_filter().get_safe_settings())"
    addresses = {
        "DATABASE_URL": "postgresql://latchkey:hunter2@127.0.0.1:1/latchkey",
        "CACHE_URL": "redis://:hunter2@127.0.0.1:1/0",
        "EMAIL_URL": "smtp://latchkey:hunter2@127.0.0.1:1",
    }
    result = manage(tmp_path, "shell", "-v", "0", "-c", show, DEBUG="true", **addresses)
    assert "'LOCATION': '****" in result.stdout, result.stderr
    assert "hunter2" not in result.stdout
