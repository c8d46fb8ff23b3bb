"""A server that cannot work does not start or is not ready, and names the faulty setting on one line."""

import re
import shutil
import socket
import sys
from collections.abc import Iterator

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apikeys.keys.services import create_key
from apikeys.models import ApiKey
from config.environment.local_secrets import new_ring
from config.monitoring import readiness
from tests.support.environment import DATA_DIR, ON_SQLITE
from tests.support.programs.forks import Outcome, run_each
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import database_url
from tests.support.settings.production import production_environment

# Limits on objects that users can create (docs/security.md).
LIMITS = [
    *("MAX_PROJECTS_PER_USER", "MAX_DELETED_PROJECTS_PER_USER", "USER_QUOTA", "MAX_FILES_PER_PROJECT"),
    *("MAX_NEW_KEYS_PER_DAY", "MAX_DELETED_KEYS_PER_PROJECT"),
]
# What people keep in files rather than in the environment.
SECRETS = [
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "KEY_PEPPERS", "KEY_RING", "DATABASE_URL", "EMAIL_URL", "CACHE_URL"),
    *("OIDC_CLIENT_SECRET", "GITHUB_PUBLIC_KEYS"),
]
# Each case runs in production unless it says otherwise. A variable that is empty here is not set at all.
PROVIDER = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "latchkey", "OIDC_CLIENT_SECRET": "hunter2"}
SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "debug": ({"DEBUG": "1"}, "DEBUG"),
    "debug that is neither on nor off": ({"DEBUG": "maybe"}, "DEBUG"),
    "any host": ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
    "any host among others": ({"ALLOWED_HOSTS": "keys.example.com,*"}, "ALLOWED_HOSTS"),
    "a host in quotes": ({"ALLOWED_HOSTS": '"keys.test"'}, "ALLOWED_HOSTS"),
    "hosts without a comma": ({"ALLOWED_HOSTS": "a b"}, "ALLOWED_HOSTS"),
    "a host with a port": ({"ALLOWED_HOSTS": "keys.test:443"}, "ALLOWED_HOSTS"),
    "a host with a scheme": ({"ALLOWED_HOSTS": "https://keys.test"}, "ALLOWED_HOSTS"),
    "a host as a pattern": ({"ALLOWED_HOSTS": "*.keys.test"}, "ALLOWED_HOSTS"),
    "a host with a dot at its end": ({"ALLOWED_HOSTS": "keys.test."}, "ALLOWED_HOSTS"),
    "a host with an underscore": ({"ALLOWED_HOSTS": "my_keys.test"}, "ALLOWED_HOSTS"),
    "a host that is no A-label": ({"ALLOWED_HOSTS": "schlüssel.test"}, "ALLOWED_HOSTS"),
    "an IPv6 address without brackets": ({"ALLOWED_HOSTS": "::1"}, "ALLOWED_HOSTS"),
    "a host that ends in a hyphen": ({"ALLOWED_HOSTS": "keys-.test"}, "ALLOWED_HOSTS"),
    "an IPv4 address that is none": ({"ALLOWED_HOSTS": "300.0.0.1"}, "ALLOWED_HOSTS"),
    "an IPv6 address that is none": ({"ALLOWED_HOSTS": "[::x]"}, "ALLOWED_HOSTS"),
    "a host that is longer than any": ({"ALLOWED_HOSTS": "a." * 130 + "test"}, "ALLOWED_HOSTS"),
    "no host but a comma": ({"ALLOWED_HOSTS": ","}, "ALLOWED_HOSTS"),
    "an origin without a scheme": ({"CSRF_TRUSTED_ORIGINS": "keys.test"}, "CSRF_TRUSTED_ORIGINS"),
    "an origin of another scheme": ({"CSRF_TRUSTED_ORIGINS": "ftp://keys.test"}, "CSRF_TRUSTED_ORIGINS"),
    "an origin with a slash": ({"CSRF_TRUSTED_ORIGINS": "https://keys.test/"}, "CSRF_TRUSTED_ORIGINS"),
    "an origin with a port that is none": ({"CSRF_TRUSTED_ORIGINS": "https://k.test:99999"}, "CSRF_TRUSTED_ORIGINS"),
    "an origin with a port of nothing": ({"CSRF_TRUSTED_ORIGINS": "https://k.test:0"}, "CSRF_TRUSTED_ORIGINS"),
    "a short secret key": ({"SECRET_KEY": "hunter2"}, "SECRET_KEY"),
    "SQLite": ({"DATABASE_URL": "sqlite:////tmp/latchkey.sqlite3"}, "DATABASE_URL"),
    "a database with a parameter that is none": (
        {"DATABASE_URL": "postgresql://a@h/d?nonsense=1"},
        "no parameter 'nonsense",
    ),
    "a search path in the address": ({"DATABASE_URL": "postgresql://a@h/d?search_path=x"}, "options=-csearch_path"),
    "TLS that is none": ({"DATABASE_URL": "postgresql://a@h/d?sslmode=yes"}, "sslmode"),
    "a server that cannot be written to": (
        {"DATABASE_URL": "postgresql://a@h,i/d?target_session_attrs=standby"},
        "target_session_attrs",
    ),
    "a wait that is Latchkey's own": ({"DATABASE_URL": "postgresql://a@h/d?connect_timeout=9"}, "connect_timeout"),
    "a limit that is Latchkey's own": (
        {"DATABASE_URL": "postgresql://a@h/d?options=-cstatement_timeout%3D1"},
        "statement_timeout",
    ),
    "fewer ports than hosts": ({"DATABASE_URL": "postgresql://a@h:1,i:2,j:3/d?port=1,2"}, "DATABASE_URL"),
    "no database": ({"DATABASE_URL": "postgresql://a@h/"}, "DATABASE_URL"),
    "an encoding of one's own": ({"DATABASE_URL": "postgresql://a@h/d?client_encoding=LATIN1"}, "client_encoding"),
    "a connection that replicates": ({"DATABASE_URL": "postgresql://a@h/d?replication=1"}, "replication"),
    "a wait for locks that is Latchkey's own": (
        {"DATABASE_URL": "postgresql://a@h/d?options=-clock_timeout%3D1"},
        "lock_timeout",
    ),
    "a database's host with a space": ({"DATABASE_URL": "postgresql://a@my%20host/d"}, "DATABASE_URL"),
    "a database's password with a slash": ({"DATABASE_URL": "postgresql://a:1/hunter2@h/d"}, "DATABASE_URL"),
    "a database's name that is too long": ({"DATABASE_URL": "postgresql://a@h/" + "d" * 64}, "DATABASE_URL"),
    "SQLite with an option": ({"ENV": "local", "DATABASE_URL": "sqlite:////tmp/x.sqlite3?mode=ro"}, "DATABASE_URL"),
    "SQLite in no folder": ({"ENV": "local", "DATABASE_URL": "sqlite:////nowhere/x.sqlite3"}, "DATABASE_URL"),
    "a ring that is none": ({"KEY_RING": "k1:hunter2"}, "KEY_RING"),
    "a pepper that is none": ({"KEY_PEPPERS": "hunter2"}, "KEY_PEPPERS"),
    "a scope that is none": ({"SCOPES": "Files Read"}, "SCOPES"),
    "a scope that is there twice": ({"SCOPES": "a=A,a=B"}, "SCOPES"),
    "more scopes than there can be": ({"SCOPES": ",".join(f"s{number}" for number in range(101))}, "SCOPES"),
    "a prefix that is none": ({"KEY_PREFIX": "Acme Keys"}, "KEY_PREFIX"),
    "keys of GitHub's that are none": ({"GITHUB_PUBLIC_KEYS": '{"public_keys": ["hunter2"]}'}, "GITHUB_PUBLIC_KEYS"),
    "links that are not https": ({"BASE_URL": "http://keys.example.com"}, "BASE_URL"),
    "links without a host": ({"BASE_URL": "https://"}, "BASE_URL"),
    "links below a path": ({"BASE_URL": "https://keys.example.com/latchkey"}, "BASE_URL"),
    "links to a host that is refused": ({"BASE_URL": "https://keys.example.org"}, "BASE_URL"),
    "links to a host below the one that is allowed": ({"BASE_URL": "https://a.keys.example.com:8443"}, "BASE_URL"),
    "pages below a path": ({"SCRIPT_NAME": "/latchkey"}, "SCRIPT_NAME"),
    "pages below a path, in Django's words": ({"FORCE_SCRIPT_NAME": "/latchkey"}, "SCRIPT_NAME"),
    "a name of two lines": ({"BRAND_NAME": "itty\nbit"}, "BRAND_NAME"),
    "a logo that is no picture": ({"BRAND_LOGO_FILE": sys.executable}, "BRAND_LOGO_FILE"),
    "a logo that is nowhere": ({"BRAND_LOGO_FILE": "/nowhere/logo.svg"}, "BRAND_LOGO_FILE"),
    "an accent that is no colour": ({"BRAND_ACCENT": "hunter2"}, "BRAND_ACCENT"),
    "a variable that no shell has": ({"KEY_VARIABLE": "hunter2$(id)"}, "KEY_VARIABLE"),
    "a path that is none": ({"SNIPPET_PATH": "/files; rm -r hunter2"}, "SNIPPET_PATH"),
    "a page that is a script": ({"DOCS_URL": "javascript:alert(1)"}, "DOCS_URL"),
    "help without a scheme": ({"SUPPORT_URL": "help@ittybit.example"}, "SUPPORT_URL"),
    "a status that is no address": ({"STATUS_URL": "hunter2"}, "STATUS_URL"),
    "terms without a host": ({"TERMS_URL": "https:///terms"}, "TERMS_URL"),
    "privacy of another scheme": ({"PRIVACY_URL": "ftp://ittybit.example"}, "PRIVACY_URL"),
    "files that are neither on nor off": ({"SHOW_FILES": "maybe"}, "SHOW_FILES"),
    "snippets without a host": ({"API_URL": "/api/v1"}, "API_URL"),
    "snippets with a query": ({"API_URL": "https://keys.example.com/api/v1?x=1"}, "API_URL"),
    "mails that are never sent": ({"MAIL_RETRY_SECONDS": "0"}, "MAIL_RETRY_SECONDS"),
    "housekeeping that is never done": ({"HOUSEKEEPING_SECONDS": "0"}, "HOUSEKEEPING_SECONDS"),
    "mails to the log": ({"EMAIL_URL": "console://"}, "EMAIL_URL"),
    "mails to a file": ({"EMAIL_URL": "file:///tmp/mails"}, "EMAIL_URL"),
    "mails to memory": ({"EMAIL_URL": "memory://"}, "EMAIL_URL"),
    "mails to nowhere": ({"EMAIL_URL": "dummy://"}, "EMAIL_URL"),
    "mails in a misspelt way": ({"EMAIL_URL": "smpt://latchkey:hunter2@mail.example.com"}, "EMAIL_URL"),
    "mails to what is no address": ({"EMAIL_URL": "smtp:mail.example.com"}, "EMAIL_URL"),
    "mails to no server": ({"EMAIL_URL": "submission://latchkey:hunter2@:587"}, "EMAIL_URL"),
    "a mail server with a path": ({"EMAIL_URL": "smtp://mail.example.com/inbox"}, "EMAIL_URL"),
    "a mail server with a fragment": ({"EMAIL_URL": "smtp://mail.example.com#587"}, "EMAIL_URL"),
    "a mail password with a question mark": (
        {"EMAIL_URL": "smtp://latchkey:1?hunter2=x@mail.example.com"},
        "EMAIL_URL",
    ),
    "a mail server with a space": ({"EMAIL_URL": "smtp://mail example.com"}, "EMAIL_URL"),
    "a mail server's negative patience": ({"EMAIL_URL": "smtp://127.0.0.1:1?timeout=-1"}, "EMAIL_URL"),
    "a mail server's patience of nothing": ({"EMAIL_URL": "smtp://127.0.0.1:1?timeout=0"}, "timeout"),
    "a mail server's patience that is left empty": ({"EMAIL_URL": "smtp://127.0.0.1:1?timeout="}, "timeout"),
    "a mail server's patience without end": ({"EMAIL_URL": "smtp://127.0.0.1:1?timeout=999999999999"}, "timeout"),
    "an option of mails that is there twice": ({"EMAIL_URL": "smtp://127.0.0.1:1?timeout=5&timeout=9"}, "timeout"),
    "TLS at once and TLS later": ({"EMAIL_URL": "smtp://mail.example.com:465?ssl=1&tls=1"}, "tls"),
    "TLS later by an option where it comes at once": ({"EMAIL_URL": "smtps://mail.example.com?tls=1"}, "tls"),
    "an option of mails to the log": ({"ENV": "local", "EMAIL_URL": "console://?timeout=5"}, "EMAIL_URL"),
    "TLS at once where it comes later": ({"EMAIL_URL": "smtps://mail.example.com:587"}, "EMAIL_URL"),
    "TLS later where it comes at once": ({"EMAIL_URL": "submission://mail.example.com:465"}, "EMAIL_URL"),
    "an option of mails that is none": ({"EMAIL_URL": "smtp://mail.example.com?starttls=1"}, "starttls"),
    "TLS for mails that is neither on nor off": ({"EMAIL_URL": "smtp://mail.example.com?tls=maybe"}, "EMAIL_URL"),
    "a mail user without a password": ({"EMAIL_URL": "submission://latchkey@mail.example.com"}, "EMAIL_URL"),
    "a sender that is no address": ({"DEFAULT_FROM_EMAIL": "Latchkey"}, "DEFAULT_FROM_EMAIL"),
    "a sender that is cut off": ({"DEFAULT_FROM_EMAIL": "Latchkey <keys@example.com"}, "DEFAULT_FROM_EMAIL"),
    "two senders": ({"DEFAULT_FROM_EMAIL": "a@example.com, b@example.com"}, "DEFAULT_FROM_EMAIL"),
    "a sender whose name has a comma": ({"DEFAULT_FROM_EMAIL": "Keys, all <keys@example.com>"}, "DEFAULT_FROM_EMAIL"),
    "a sender that needs SMTPUTF8": ({"DEFAULT_FROM_EMAIL": "key\u017f@example.com"}, "DEFAULT_FROM_EMAIL"),
    "a sender on two lines": ({"DEFAULT_FROM_EMAIL": "Latch\nkey <keys@example.com>"}, "DEFAULT_FROM_EMAIL"),
    "a confirmation that is none": ({"ENV": "local", "EMAIL_VERIFICATION": "mandatry"}, "EMAIL_VERIFICATION"),
    "a way to sign up that is none": ({"SIGN_UP": "invite"}, "SIGN_UP"),
    "a domain that is a pattern": ({"SIGN_UP_DOMAINS": "acme.com,*.acme.com"}, "SIGN_UP_DOMAINS"),
    "a way to sign in that is none": ({"SIGN_IN": "password,saml"}, "SIGN_IN"),
    "a list of no ways to sign in": ({"SIGN_IN": " , "}, "SIGN_IN"),
    "single sign-on without a provider": ({"SIGN_IN": "oidc"}, "SIGN_IN"),
    "a provider without our name there": ({**PROVIDER, "OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"),
    "a provider without a secret": ({**PROVIDER, "OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET"),
    "a secret for no provider": ({"OIDC_CLIENT_SECRET": "hunter2"}, "OIDC_ISSUER"),
    "a provider without TLS": ({**PROVIDER, "OIDC_ISSUER": "http://login.example.com"}, "OIDC_ISSUER"),
    "a provider that is no address": ({**PROVIDER, "OIDC_ISSUER": "login.example.com"}, "OIDC_ISSUER"),
    "a provider with a query": ({**PROVIDER, "OIDC_ISSUER": "https://login.example.com?a=b"}, "OIDC_ISSUER"),
    "an address of discovery": (
        {**PROVIDER, "OIDC_ISSUER": "https://login.example.com/.well-known/openid-configuration"},
        "OIDC_ISSUER: leave out /.well-known/openid-configuration",
    ),
    "an endless provider": ({**PROVIDER, "OIDC_ISSUER": f"https://login.example.com/{'a' * 200}"}, "OIDC_ISSUER"),
    "a provider with a name of two lines": ({**PROVIDER, "OIDC_NAME": "Ac\nme"}, "OIDC_NAME"),
    "a trust that is neither on nor off": ({**PROVIDER, "OIDC_TRUST_EMAIL": "maybe"}, "OIDC_TRUST_EMAIL"),
    "a provider that is never waited for": ({**PROVIDER, "OIDC_SECONDS": "0"}, "OIDC_SECONDS"),
    "a lease that is neither on nor off": ({"VERDICT_LEASE": "maybe"}, "VERDICT_LEASE"),
    "room for one leased row": ({"LEASED_ROWS": "1"}, "LEASED_ROWS"),
    "calls that are never counted": ({"USAGE_FLUSH_SECONDS": "0"}, "USAGE_FLUSH_SECONDS"),
    "a wait that no thread can wait": ({"USAGE_FLUSH_SECONDS": "1e300"}, "USAGE_FLUSH_SECONDS"),
    "a wait that is no number": ({"CLIENT_SECONDS": "nan"}, "CLIENT_SECONDS"),
    "no TLS anywhere": ({"TRUSTED_PROXIES": "0"}, "TRUSTED_PROXIES"),
    "TLS that nobody spoke of": ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES"),
    "fewer proxies than none": ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES"),
    "more proxies than anybody has": ({"TRUSTED_PROXIES": "1000"}, "TRUSTED_PROXIES"),
    "fewer failed keys than none": ({"FAILED_KEYS_PER_MINUTE": "-5"}, "FAILED_KEYS_PER_MINUTE"),
    "a token of the metrics that can be guessed": ({"METRICS_TOKEN": "hunter2"}, "METRICS_TOKEN"),
    "addresses that are kept for ever": ({"CALLER_DAYS": "100000"}, "CALLER_DAYS"),
    "being asked for ever": ({"REAUTHENTICATION_SECONDS": "0"}, "REAUTHENTICATION_SECONDS"),
    "a short secret key from before": ({"SECRET_KEY_FALLBACKS": f"{'a' * 60},hunter2"}, "SECRET_KEY_FALLBACKS"),
    "a secret key that is also one from before": (
        {"SECRET_KEY": "a" * 60, "SECRET_KEY_FALLBACKS": "a" * 60},
        "SECRET_KEY_FALLBACKS",
    ),
    "sessions that end at once": ({"SESSION_IDLE_SECONDS": "299"}, "SESSION_IDLE_SECONDS"),
    "a shutdown that waits for ever": ({"SHUTDOWN_DELAY_SECONDS": "61"}, "SHUTDOWN_DELAY_SECONDS"),
    "threads that are no number": ({"THREADS": "many"}, "THREADS"),
    "no thread": ({"THREADS": "0"}, "THREADS"),
    "more threads than a database has connections": ({"THREADS": "513"}, "THREADS"),
    "no keys": ({"MAX_KEYS_PER_PROJECT": "0"}, "MAX_KEYS_PER_PROJECT"),
    "a negative limit of a key's days": ({"MAX_KEY_DAYS": "-1"}, "MAX_KEY_DAYS"),
    "more days than a key's end may lie ahead": ({"MAX_KEY_DAYS": "3651"}, "MAX_KEY_DAYS"),
    "more keys than can be counted": ({"MAX_KEYS_PER_PROJECT": "9" * 30}, "MAX_KEYS_PER_PROJECT"),
    **{f"a limit of nothing, {name}": ({name: "0"}, name) for name in LIMITS},
    "no files": ({"MAX_FILE_SIZE": "-1"}, "MAX_FILE_SIZE"),
    "fewer reports than none": ({"REPORTS_PER_MINUTE": "-1"}, "REPORTS_PER_MINUTE"),
    "no room for files": ({"PROJECT_QUOTA": "0"}, "PROJECT_QUOTA"),
    "a number that is none": ({"MAX_FILE_SIZE": "25 MB"}, "MAX_FILE_SIZE"),
    "HSTS shipped for this host alone": ({"HSTS_PRELOAD": "true"}, "HSTS_PRELOAD"),
    "HSTS shipped for less than a year": (
        {"HSTS_PRELOAD": "true", "HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_SECONDS": "300"},
        "HSTS_PRELOAD",
    ),
    "a time of HSTS that is none": ({"HSTS_SECONDS": "a year"}, "HSTS_SECONDS"),
    "a log level that is none": ({"LOG_LEVEL": "chatty"}, "LOG_LEVEL"),
    "a log that is neither JSON nor not": ({"LOG_JSON": "maybe"}, "LOG_JSON"),
    "a cache with a number that is none": ({"CACHE_URL": "redis://127.0.0.1/first"}, "CACHE_URL"),
    "a cache with digits of another script": ({"CACHE_URL": "redis://127.0.0.1/٥"}, "CACHE_URL"),
    "a secret file that is missing": (
        {"KEY_RING": "", "KEY_RING_FILE": "/nowhere/ring"},
        "KEY_RING_FILE: cannot read /nowhere/ring",
    ),
    "a secret file that is a folder": ({"KEY_RING": "", "KEY_RING_FILE": "/tmp"}, "KEY_RING_FILE: cannot read /tmp"),
    "a secret file that is empty": (
        {"KEY_RING": "", "KEY_RING_FILE": "/dev/null"},
        "KEY_RING_FILE: /dev/null is empty",
    ),
    "a secret file that is no text": (
        {"KEY_RING": "", "KEY_RING_FILE": sys.executable},
        f"KEY_RING_FILE: {sys.executable} is no text",
    ),
    **{
        f"{name} in two places": ({name: "hunter2", f"{name}_FILE": __file__}, f"{name}: {name}_FILE is set too")
        for name in SECRETS
    },
    "a ring as the documentation shows it": ({"KEY_RING": "k1:…"}, "KEY_RING"),
    "peppers as the documentation shows them": ({"KEY_PEPPERS": "p1:…"}, "KEY_PEPPERS"),
    "a folder that cannot be made": ({"DATA_DIR": "/proc/latchkey"}, "DATA_DIR: cannot write"),
    "a folder that is a file": ({"DATA_DIR": "/dev/null"}, "DATA_DIR: cannot write"),
    "a folder below a file": ({"DATA_DIR": "/dev/null/latchkey"}, "DATA_DIR: cannot write"),
}


def assert_one_line(outcome: Outcome, named: str, case: str) -> None:
    """Rejected, with one line that names the setting, without other lines around it and without its value."""
    assert outcome.status != 0, (case, outcome)
    assert outcome.stdout == "", (case, outcome)
    assert outcome.stderr.count("\n") == 1, (case, outcome)
    assert re.search(rf"\b{named}\b", outcome.stderr), (case, outcome)
    assert "hunter2" not in outcome.stderr, (case, outcome)


@pytest.mark.nodb
def test_settings_that_cannot_work_are_refused_at_the_start_on_one_line(tmp_path):
    """T54: a failed start says why. Here settings cannot work."""
    base = production_environment() | {"DATA_DIR": str(tmp_path)}
    environments = [
        {name: value for name, value in (base | change).items() if value} for change, _ in SETTINGS.values()
    ]
    outcomes = run_each(["serve"], environments)
    for (case, (_, named)), outcome in zip(SETTINGS.items(), outcomes, strict=True):
        assert_one_line(outcome, named, case)


@pytest.fixture
def databases(transactional_db, tmp_path) -> Iterator[dict[str, str]]:
    """Addresses of an empty database and, on PostgreSQL, of a database that is not UTF-8."""
    if ON_SQLITE:
        yield {"migrate": f"sqlite:///{tmp_path}/empty.sqlite3"}
        return
    beside = database_url().rpartition("/")[0]
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE nothing_in_it")
        cursor.execute("CREATE DATABASE no_utf8 TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    yield {"migrate": f"{beside}/nothing_in_it", "SQL_ASCII": f"{beside}/no_utf8"}
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE nothing_in_it WITH (FORCE)")
        cursor.execute("DROP DATABASE no_utf8 WITH (FORCE)")


def test_a_missing_requirement_is_refused_at_the_start_on_one_line(databases, api_key, tmp_path):
    """T54: a failed start says why. Here the database, static files, peppers or ports are missing."""
    base = {"DATA_DIR": str(DATA_DIR), "DATABASE_URL": database_url(), "PORT": str(free_port())}
    changed, lacking_one = (shutil.copytree(DATA_DIR / "static", tmp_path / name) for name in ("changed", "lacking"))
    (changed / "css" / "main.css").write_text("/* of an earlier release */")
    manifest = lacking_one / "staticfiles.json"
    manifest.write_text(manifest.read_text().replace('"js/page.js": ', '"js/earlier.js": '))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        cases = {
            **{words: ({"DATABASE_URL": url}, "DATABASE_URL") for words, url in databases.items()},
            "pepper": ({"KEY_PEPPERS": new_ring()}, "KEY_PEPPERS"),
            "collectstatic": ({"STATIC_ROOT": str(tmp_path)}, "STATIC_ROOT"),
            # A page that names a file of this release would be answered 500.
            "another release (css/main.css)": ({"STATIC_ROOT": str(changed)}, "STATIC_ROOT"),
            "another release (js/page.js)": ({"STATIC_ROOT": str(lacking_one)}, "STATIC_ROOT"),
            f"port {taken}": ({"PORT": taken}, "PORT"),
            f"{taken}:": ({"CHECK_PORT": taken}, "CHECK_PORT"),
        }
        outcomes = run_each(["serve"], [base | change for change, _ in cases.values()])
    for (words, (_, named)), outcome in zip(cases.items(), outcomes, strict=True):
        assert_one_line(outcome, named, words)
        assert words.removesuffix(":") in outcome.stderr


@pytest.fixture
def nothing_settled(monkeypatch):
    """Forgets earlier checks, as in a process that has just started."""
    monkeypatch.setattr(readiness, "_settled", set())
    monkeypatch.setattr("common.outages._last_lines", {})


def take_a_migration_away() -> None:
    MigrationRecorder(connection).record_unapplied(*max(readiness.expected_migrations()))


NOT_READY = {
    "a migration": (lambda settings, patch: take_a_migration_away(), "manage.py migrate"),
    "all migrations": (
        lambda settings, patch: MigrationRecorder(connection).migration_qs.all().delete(),
        "manage.py migrate",
    ),
    "static files": (
        lambda settings, patch: patch.setattr(vars(staticfiles_storage)["_wrapped"], "hashed_files", {}),
        "manage.py collectstatic",
    ),
    "the pepper": (lambda settings, patch: setattr(settings, "KEY_PEPPERS", new_ring()), "KEY_PEPPERS"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("take_away", "said"), NOT_READY.values(), ids=NOT_READY.keys())
def test_without_what_it_needs_a_running_server_is_not_ready_and_the_log_says_why(
    take_away, said, client, settings, monkeypatch, nothing_settled, api_key, lines
):
    """T54: a 503 of /health/ready says why, after something that the server needs is gone."""
    assert client.get("/health/ready").status_code == 200
    readiness._settled.clear()
    take_away(settings, monkeypatch)
    assert client.get("/health/ready").status_code == 503
    [line] = [line for line in lines.getvalue().splitlines() if "not_ready" in line]
    assert said in line
    assert "Traceback" not in lines.getvalue()


@pytest.mark.django_db
def test_a_key_ring_that_is_lost_is_no_reason_not_to_check_keys(client, settings, nothing_settled, api_key):
    """Without the ring nothing can be decrypted, so the pepper cannot be proven either."""
    settings.KEY_RING = new_ring()
    assert client.get("/health/ready").status_code == 200


@pytest.mark.django_db
def test_a_single_damaged_key_does_not_stop_the_server(client, nothing_settled, api_key, project, owner):
    create_key(project=project, name="Another", by=owner)
    ApiKey.objects.filter(pk=api_key.pk).update(digest=b"x" * 32)
    assert client.get("/health/ready").status_code == 200
