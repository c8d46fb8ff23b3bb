"""Runs `manage.py`, or a line of Python, in many environments: in forks of one process that has already loaded the
libraries.

`run_each` starts this process. As a program, this file reads a JSON list of environments from standard input and prints
the outcomes.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[3]
# Loading these takes four fifths of a start and needs no settings. Each fork then loads only the product's own modules.
LIBRARIES = [
    *("cryptography.hazmat.primitives.ciphers.aead", "csp.constants", "dj_email_url", "django.core.management"),
    *("django.db.models", "django.http", "django.views.decorators.debug", "psycopg", "redis", "structlog"),
]
MOST_SECONDS = 120


class Outcome(NamedTuple):
    status: int
    stdout: str
    stderr: str


def run_each(arguments: list[str], environments: list[dict[str, str]]) -> list[Outcome]:
    """The outcome of `manage.py ARGUMENTS` in each environment, which contains no other variables. The arguments "-c"
    and a line of Python run this line instead, as `python -c` does.
    """
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:config", "-m", "tests.support.programs.forks", *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "DATA_DIR": "/nowhere"},
        input=json.dumps(environments),
        capture_output=True,
        text=True,
        check=True,
    )
    return [Outcome(*outcome) for outcome in json.loads(run.stdout)]


def _run(arguments: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        pid = os.fork()
        if pid == 0:
            _become(arguments, environment, out, err)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        return status, out.read(), err.read()


def _become(arguments: list[str], environment: dict[str, str], out: Any, err: Any) -> None:
    # If a server starts although it should not, the alarm makes the test fail instead of hang.
    signal.alarm(MOST_SECONDS)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["manage.py", *arguments]
    status = 0
    try:
        if arguments[0] == "-c":
            exec(arguments[1], {"__name__": "__main__"})  # noqa: S102  a line of a test
        else:
            runpy.run_path("manage.py", run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for library in LIBRARIES:
        import_module(library)
    print(json.dumps([_run(sys.argv[1:], environment) for environment in json.load(sys.stdin)]))
