"""`manage.py` that dies amid its work, at a statement that the test chooses and not at a moment of the clock.

`python -m tests.support.programs.killed TABLE NUMBER COMMAND...` kills itself with SIGKILL when the database has
carried out that many UPDATEs of the table. The transaction around the last of them is not committed.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from django.db.backends.signals import connection_created


def killed_after(table: str, number: int) -> None:
    done = count(1)

    def watch(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        result = execute(sql, parameters, many, context)
        if sql.startswith(f'UPDATE "{table}"') and next(done) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    connection_created.connect(lambda connection, **_: connection.execute_wrappers.append(watch), weak=False)


if __name__ == "__main__":
    _, table, number, *command = sys.argv
    killed_after(table, int(number))
    sys.argv = ["manage.py", *command]
    runpy.run_module("manage", run_name="__main__")
