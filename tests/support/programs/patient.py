"""Runs a module of the product with as much time for the database as a busy machine needs.

`python -m tests.support.programs.patient manage serve` is `manage.py serve`. Of its limits, only those of the database
differ: a server beside other tests may need seconds for what otherwise takes milliseconds, and would answer 503.
"""

import os
import runpy
import sys
from typing import Any, NoReturn

from common import database_deadline
from common.postgresql.base import LIMITS
from config.environment import database_url

NAME = "tests.support.programs.patient"
SECONDS = 60

_execute = os.execve


def be_patient() -> None:
    """In this process, its forks, and the programs that take its place."""
    LIMITS.update(dict.fromkeys(LIMITS, SECONDS * 1000))
    database_deadline.SECONDS = database_deadline.SECONDS_OF_SILENCE = database_deadline.SECONDS_TO_CONNECT = SECONDS
    database_url.OWN_OPTIONS["connect_timeout"] = SECONDS
    database_url._SQLITE_OPTIONS["timeout"] = SECONDS
    setattr(os, "execve", _execute_patiently)  # noqa: B010  type stubs know more kinds of arguments


def _execute_patiently(path: Any, command: Any, environment: Any) -> NoReturn:
    """`manage.py serve` starts the check as a program of its own: python OPTIONS -m MODULE ARGUMENTS."""
    before_module = command.index("-m") + 1
    _execute(path, [*command[:before_module], NAME, *command[before_module:]], environment)


if __name__ == "__main__":
    be_patient()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")
