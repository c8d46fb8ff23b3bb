"""The measured server has one core of its own. PostgreSQL, the load and everything else share the others.

So docs/scaling.md tells operators to deploy it. Without this, the kernel now spreads a server and its database over two
cores and now packs them onto one, for seconds at a time: one server answered 6,300 and 12,000 checks per second in the
same quiet minute. Beside 20 other busy processes, pairs of the same two servers had ratios from 0.2 to 4; with a core
of their own, from 0.5 to 1.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_ALL = sorted(os.sched_getaffinity(0))
_SERVER, _OTHERS = {_ALL[0]}, set(_ALL[1:]) or {_ALL[0]}


def leave_the_servers() -> None:
    """This process, and all that it starts, leave the server's core alone."""
    os.sched_setaffinity(0, _OTHERS)


def take_the_servers() -> None:
    os.sched_setaffinity(0, _SERVER)


def take_all() -> None:
    os.sched_setaffinity(0, _ALL)


@contextmanager
def shared() -> Iterator[None]:
    """What starts meanwhile may use every core."""
    take_all()
    try:
        yield
    finally:
        leave_the_servers()
