"""Which addresses a process notes for each key, in memory. It never asks the database, so the check is not slowed.

All other addresses of a key are counted together, under OTHERS. The bounds protect memory and database from a key that
somebody uses from any number of addresses. usage/writing_callers.py keeps the bound of a day for all processes.

The caller of these functions holds the lock of usage/counting.py.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings

from common.client_address import network_of

# Stands for all addresses of a key that are not noted one by one, and for requests without a readable address.
OTHERS = ""
# The bounds of one key: addresses in a day of UTC, and new ones between two writes.
MOST_A_DAY = 50
MOST_NEW = 8
# The bounds of all keys together, in one process: addresses that the process knows, and counts that wait for the
# database. They take about 45 MB (docs/scaling.md).
MOST_KNOWN = 50_000
MOST_WAITING = 50_000
# The default for projects that embed only the check (docs/django.md).
DEFAULT_DAYS = 30
DAY_SECONDS = 86_400

Callers = dict[str, list[Any]]  # [calls, first at, last at] by address, changed in place

_known: set[tuple[int, str]] = set()  # the addresses of each key that were noted today
_number: dict[int, int] = {}  # how many of them each key has
_new: dict[int, int] = {}  # how many of them were added since the last write
_day = 0
_waiting = 0


def days_kept() -> int:
    """For how many days of UTC addresses are stored, with today; 0 stores none."""
    return int(getattr(settings, "CALLER_DAYS", DEFAULT_DAYS))


@lru_cache(maxsize=4096)
def caller_of(address: str | None) -> str:
    """What is noted of a client's address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return OTHERS
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{network_of(address)}/64"
    return str(ip)


def note(callers: Callers, key_pk: int, caller: str, at: float) -> None:
    """Counts a request with the key at `at`, in seconds since 1970."""
    counted = callers.get(caller)
    if counted is None:
        counted = _begin(callers, key_pk, caller, at)
    counted[0] += 1
    if at > counted[2]:
        counted[2] = at


def put_back(callers: Callers, taken: Callers) -> None:
    """Adds counts that could not be written to those that came since."""
    global _waiting
    for caller, (calls, first_at, last_at) in taken.items():
        if counted := callers.get(caller):
            counted[:] = counted[0] + calls, min(counted[1], first_at), max(counted[2], last_at)
        else:
            callers[caller] = [calls, first_at, last_at]
            _waiting += 1


def begin_turn() -> None:
    """Called when all counts are taken, to be written."""
    global _waiting
    _waiting = 0
    _new.clear()
    if len(_known) >= MOST_KNOWN:
        _forget()


def _begin(callers: Callers, key_pk: int, caller: str, at: float) -> list[Any]:
    global _waiting
    caller = caller if _may_note(key_pk, caller, at) else OTHERS
    counted = callers.get(caller)
    if counted is None:
        counted = callers[caller] = [0, at, at]
        _waiting += 1
    return counted


def _may_note(key_pk: int, caller: str, at: float) -> bool:
    global _day
    if _waiting >= MOST_WAITING or not days_kept():
        return False
    if _day != (day := int(at) // DAY_SECONDS):
        _day = day
        _forget()
    if (key_pk, caller) in _known:
        return True
    number, new = _number.get(key_pk, 0), _new.get(key_pk, 0)
    if caller == OTHERS or number >= MOST_A_DAY or new >= MOST_NEW or len(_known) >= MOST_KNOWN:
        return False
    _known.add((key_pk, caller))
    _number[key_pk], _new[key_pk] = number + 1, new + 1
    return True


def _forget() -> None:
    _known.clear()
    _number.clear()


def begin_anew() -> None:
    """For a forked process."""
    begin_turn()
    _forget()
