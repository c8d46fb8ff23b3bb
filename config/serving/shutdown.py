"""Tells all processes of a server that it is about to stop, so that /health/ready answers 503 before the end.

The supervisor holds one end of a pipe, and all other processes hold the other end. The pipe hangs up when the
supervisor closes its end, and also when the supervisor is killed.
"""

import os
import select

_pipe: int | None = None


def open_pipe() -> tuple[int, int]:
    """The end for all processes, which programs that they start get too; and the supervisor's own end."""
    theirs, ours = os.pipe()
    os.set_inheritable(theirs, True)
    return theirs, ours


def watch(pipe: int) -> None:
    """Makes `has_begun` look at the pipe, in this process and its forks."""
    global _pipe
    _pipe = pipe


def has_begun() -> bool:
    if _pipe is None:
        return False
    poll = select.poll()
    poll.register(_pipe, 0)  # a pipe that hangs up is always reported
    return bool(poll.poll(0))
