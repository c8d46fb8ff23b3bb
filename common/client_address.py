from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.http import HttpRequest

from common.known_settings import known


def client_address(request: HttpRequest) -> str | None:
    """The address a request came from, or None where there is none (a Unix socket)."""
    return address_of(request.META)


def address_of(environ: Mapping[str, Any]) -> str | None:
    """The client's address in a WSGI environment.

    TRUSTED_PROXIES says how many entries of X-Forwarded-For are believed. Each trusted proxy appends one entry, so the
    client's address stands that many entries from the right. Entries further left are the client's own claim.
    """
    address = environ.get("REMOTE_ADDR", "")
    if known.TRUSTED_PROXIES:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= known.TRUSTED_PROXIES:
            address = hops[-known.TRUSTED_PROXIES]
    return _normalized(address) if len(address) <= LONGEST else None


def peer_of(environ: Mapping[str, Any]) -> str | None:
    """The address of whoever opened the connection: the client's own if it asks without a proxy."""
    address = environ.get("REMOTE_ADDR", "")
    return _normalized(address) if len(address) <= LONGEST else None


def forwarded_protocol(value: str) -> str:
    """What X-Forwarded-Proto says: "https" only if every entry names TLS, else "http".

    Some proxies write "wss" for a WebSocket (Traefik does), and schemes have no case (RFC 3986, 3.1). Every entry
    counts, because a proxy that adds an entry or a second header leaves the client's own entry first.
    """
    return "https" if all(entry.strip().lower() in {"https", "wss"} for entry in value.split(",")) else "http"


# An IPv4 address inside an IPv6 one has 45 characters. The rest is room for a zone and spaces.
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
        # Only the machine that wrote a zone ("fe80::1%eth0") knows what it means, and PostgreSQL rejects it.
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket for both kinds of address gives IPv4 clients as ::ffff:192.0.2.1. These all lie in one /64 (RFC 4291,
    # 2.5.5.2).
    return str((ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip)


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """The network that a limit counts: an IPv4 address, or the /64 of an IPv6 address, because one customer has all of
    it (RFC 6177).

    `address` is as `client_address` returns it. Clients without an address are counted together.
    """
    if not address or ":" not in address:
        return address or ""
    return _cut(address, 64)


def site_of(address: str | None) -> str:
    """The network of a site: the /48 of an IPv6 address, because a site may have 65,536 networks (RFC 6177). Otherwise
    the same as `network_of`.
    """
    return _cut(address, 48) if address and ":" in address else network_of(address)


def _cut(address: str, bits: int) -> str:
    return str(IPv6Address(int(IPv6Address(address)) >> (128 - bits) << (128 - bits)))
