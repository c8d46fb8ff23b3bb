from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address a request came from, or None where there is none (a Unix socket)."""
    return address_of(request.META)


def address_of(environ: Mapping[str, Any]) -> str | None:
    """The same of a WSGI environment.

    X-Forwarded-For is believed only as far as TRUSTED_PROXIES says: each trusted proxy appended one
    entry, so the client is that many entries from the right; anything further left is the client's own claim.
    """
    address = environ.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXIES:
            address = hops[-settings.TRUSTED_PROXIES]
    return _normalized(address) if len(address) <= LONGEST else None


def forwarded_protocol(value: str) -> str:
    """What X-Forwarded-Proto says: "https" only if every entry names TLS, else "http".

    Some proxies write "wss" for a WebSocket (Traefik does), and schemes have no case (RFC 3986, 3.1).

    A client wrote the first entry if a proxy adds its own entry, or a second header, instead of overwriting what the
    client sent.
    """
    return "https" if all(entry.strip().lower() in {"https", "wss"} for entry in value.split(",")) else "http"


# An IPv4 address within an IPv6 one has 45 characters; the rest is for a zone and spaces.
LONGEST = 100


# A gateway asks for the same few addresses thousands of times a second.
@lru_cache(maxsize=4096)
def _normalized(address: str) -> str | None:
    address = address.strip()
    # Some proxies write the client's port too: 192.0.2.1:5678, [2001:db8::1]:5678 (as RFC 7239, 6).
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        # A zone ("fe80::1%eth0") means something on the machine that wrote it only; PostgreSQL refuses it.
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket for both kinds gives IPv4 clients as ::ffff:192.0.2.1, which all lie in one /64 (RFC 4291, 2.5.5.2).
    return str((ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip)


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """Whom a limit counts: an IPv4 address, or the /64 of an IPv6 one, all of which one customer has (RFC 6177).

    `address` is as `client_address` returns it. Those without one are counted together.
    """
    if not address or ":" not in address:
        return address or ""
    return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64))
