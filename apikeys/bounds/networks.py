"""The networks from which a key may be used: how people write them, and whether an address lies in one of them."""

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

from django.core.exceptions import ValidationError

from common.plurals import counted

MOST = 50

Network = IPv4Network | IPv6Network


@lru_cache(maxsize=4096)
def parsed(text: str) -> Network:
    """Raises ValueError for a text that is no network, or has host bits."""
    return ip_network(text)


# A gateway asks for the same few addresses thousands of times a second.
@lru_cache(maxsize=4096)
def allows(networks: tuple[str, ...], address: str | None) -> bool:
    """Whether the address, as `client_address` returns it, lies in one of the networks. An unknown one does not."""
    return address is not None and cover(networks, (address,))


def cover(networks: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether each of `others`, an address or a network, lies in one of `networks`. None of either means any."""
    if not networks or not others:
        return not networks
    return all(any(_holds(parsed(network), parsed(other)) for network in networks) for other in others)


def _holds(network: Network, other: Network) -> bool:
    return network.version == other.version and other.subnet_of(network)  # type: ignore[arg-type]


def lines_of(text: str) -> list[str]:
    """The networks in the text of a field, which separates them by lines, spaces, commas or semicolons."""
    return re.split(r"[\s,;]+", text)


def read(texts: list[str]) -> tuple[str, ...]:
    """The networks that a person wrote, in one spelling, each once, in their order. Raises ValidationError."""
    networks = tuple(dict.fromkeys(_read(text.strip()) for text in texts if text.strip()))
    if len(networks) > MOST:
        raise ValidationError(
            f"Give at most {MOST} networks. These are {counted(len(networks))}.", code="too_many_networks"
        )
    _refuse_all_of_a_version(networks)
    return networks


def _refuse_all_of_a_version(networks: tuple[str, ...]) -> None:
    """Several networks can be every address together, as 0.0.0.0/1 and 128.0.0.0/1 are."""
    for version in (4, 6):
        of_version = [parsed(network) for network in networks if parsed(network).version == version]
        if any(network.prefixlen == 0 for network in collapse_addresses(of_version)):  # type: ignore[type-var]
            raise _refused(
                f"Together, these networks are every IPv{version} address. Leave the field empty to allow any address."
            )


def _read(text: str) -> str:
    try:
        network = _folded(ip_network(text, strict=False)) if len(text) <= 100 else None
    except ValueError:
        network = None
    if network is None or "%" in text:
        raise _refused(f"{text[:100]!r} is no address and no network. Write 198.51.100.7 or 198.51.100.0/24.")
    if network.prefixlen == 0:
        raise _refused(f"{text} is every address. Leave the field empty to allow any address.")
    if "/" in text and _has_host_bits(text):
        raise _refused(f"{text} is an address with a network. Write {network}, or the address alone.")
    return str(network)


def _has_host_bits(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return True
    return False


def _folded(network: Network) -> Network:
    """An IPv4 network inside an IPv6 one (::ffff:192.0.2.0/120) as the IPv4 network that it is."""
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - 96))
    return network


def in_words(network: str) -> str:
    """A network of one address as that address."""
    found = parsed(network)
    return str(found.network_address) if found.num_addresses == 1 else network


def _refused(message: str) -> ValidationError:
    return ValidationError(message, code="not_a_network")
