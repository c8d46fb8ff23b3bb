"""A program: four processes that do housekeeping. Each notes its turns in a file, until standard input ends."""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from datetime import datetime
from typing import Any

PROCESSES = 4


def note_turns(path: str) -> None:
    """Each line is a turn: its process, when it began, and when the claim ends, both by the database's clock."""
    from common.housekeeping import claiming, housekeeper

    def note(now: datetime) -> None:
        line: dict[str, Any] = {"pid": os.getpid(), "began": now.timestamp()}
        line["ends"] = (now + claiming.claim_length()).timestamp()
        with open(path, "a") as file:
            file.write(json.dumps(line) + "\n")

    housekeeper.give(housekeeper.Task("note", note))
    housekeeper.start()
    threading.Event().wait()


def main(path: str) -> None:
    import django

    django.setup()
    children = []
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            note_turns(path)
        children.append(child)
    sys.stdin.read()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
