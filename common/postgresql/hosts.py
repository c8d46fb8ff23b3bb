"""Several servers in DATABASE_URL: this process goes on with the one that it reached last.

libpq asks them in the order of the address, and waits for a host that is gone as long as connect_timeout. Without an
order of our own, each new connection would wait for it, and the threads would wait on their open connections, too. A
former primary may also live on and answer from what it knows: no connection to it stays in use once this process has
reached another server.
"""

from typing import Any

import psycopg

# Where the next connection begins in the list of hosts, and how often the server changed.
_first = 0
_current: tuple[str, int] | None = None
moves = 0


def in_turn(parameters: dict[str, Any]) -> dict[str, Any]:
    """libpq's parameters, with the hosts in the order in which they are to be tried."""
    if not _are_several(parameters):
        return parameters
    hosts, ports = _hosts_and_ports(parameters)
    first = _first % len(hosts)
    turned = {"host": ",".join(hosts[first:] + hosts[:first])}
    if len(ports) == len(hosts):
        turned["port"] = ",".join(ports[first:] + ports[:first])
    return parameters | turned


def note_reached(parameters: dict[str, Any], info: psycopg.ConnectionInfo) -> None:
    """The next connection begins with the server that this one has reached."""
    global _first, _current, moves
    if not _are_several(parameters):
        return
    hosts, ports = _hosts_and_ports(parameters)
    ports = ports if len(ports) == len(hosts) else ports * len(hosts)
    for number, (host, port) in enumerate(zip(hosts, ports, strict=True)):
        if host == info.host and port in {"", str(info.port)}:
            _first = number
    reached = (info.host, info.port)
    if _current not in {None, reached}:
        moves += 1
    _current = reached


def note_failed() -> None:
    """The next connection begins with the next host: a host that is gone may have used up the time."""
    global _first
    _first += 1


def _are_several(parameters: dict[str, Any]) -> bool:
    return "," in str(parameters.get("host") or "") and not parameters.get("hostaddr")


def _hosts_and_ports(parameters: dict[str, Any]) -> tuple[list[str], list[str]]:
    """As the address lists them. One port may stand for all hosts."""
    return str(parameters.get("host") or "").split(","), str(parameters.get("port") or "").split(",")
