#!/usr/bin/env python
"""The commands of a checkout. An installed Latchkey has them as the program `latchkey`, which calls `main` here."""

import gc
import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    # Python has put the folder of `latchkey` there, which lies elsewhere than our modules.
    if (folder := str(Path(__file__).resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)
    if sys.argv[1:] in (["version"], ["--version"]):
        print(version())  # Django would print its own
        return None
    if not only_prints(sys.argv[1:]):
        return run()
    # The settings make folders and local secrets, and log that. Somebody who asks what a command does gets none of it.
    with TemporaryDirectory() as data:
        os.environ |= {"DATA_DIR": data, "LOG_LEVEL": "WARNING"}
        return run()


def version() -> str:
    from common import installation

    return installation.version()


def run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Nearly all that a command makes at its start stays. Looking for garbage there takes a seventh of the time.
    gc.set_threshold(50_000, 20, 20)
    if os.getpid() == 1:
        # The first process of a container ignores every signal that it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # Its message says which variable to set; a traceback would bury it.
        sys.exit(str(error))


def only_prints(arguments: list[str]) -> bool:
    """Whether Django prints a help text or its version, and does nothing else."""
    return not arguments or arguments[0] in {"help", "version"} or bool({"-h", "--help", "--version"} & {*arguments})


if __name__ == "__main__":
    main()
