"""The networks that a key's own use suggests, and whether a project's addresses are the gateway's own."""

from collections import Counter
from ipaddress import ip_network
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from apikeys.bounds.networks import MOST, in_words
from apikeys.dry_run.would_reject import DAYS
from apikeys.models import ApiKey
from apikeys.usage.caller_bounds import OTHERS, days_kept
from apikeys.usage.callers import used_from
from apikeys.usage.models import CallerSpan, KeyCaller
from common.plurals import counted
from projects.models import Project

# Networks whose addresses mean nothing outside of them (RFC 1918, 3927, 4193, 4291, 6598), and the machine itself.
_PRIVATE = [
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::/64"),
    )
]


class Suggestion(NamedTuple):
    """Networks in one spelling, as `networks.read` writes them. IPv4 addresses may be folded into /24 networks.

    `left_out` networks have fewer requests than these. `others` requests came from addresses that are not stored.
    """

    networks: tuple[str, ...]
    days: int
    is_folded: bool = False
    left_out: int = 0
    others: int = 0

    @property
    def text(self) -> str:
        """The networks as a person writes them, one a line."""
        return "\n".join(map(in_words, self.networks))

    @property
    def words(self) -> str:
        """What the suggestion is, and what it lacks."""
        if not self.days:
            return "This server does not store from which addresses a key is used."
        if not self.networks:
            return f"No request was allowed in the last {counted(self.days, 'day')}, so there is nothing to suggest."
        said = [f"These are the addresses of the last {counted(self.days, 'day')}."]
        if self.is_folded:
            said.append(f"They are more than {MOST}, so IPv4 addresses are folded into /24 networks.")
        if self.left_out:
            said.append(f"{counted(self.left_out, 'network')} with fewer requests are left out.")
        if self.others:
            said.append(f"{counted(self.others, 'request')} came from other addresses, which were counted together.")
        return " ".join(said)


def suggested(key: ApiKey) -> Suggestion:
    """The addresses from which the key was let in, at most MOST: those with the most requests."""
    days = min(DAYS, days_kept())
    if not days:
        return Suggestion((), 0)
    callers = used_from(key, days=days)
    used = Counter({str(ip_network(caller.address)): caller.allowed for caller in callers.rows if caller.allowed})
    is_folded = len(used) > MOST
    if is_folded:
        used = _folded(used)
    networks = tuple(network for network, _ in used.most_common(MOST))
    others = callers.others.allowed if callers.others else 0
    return Suggestion(networks, days, is_folded, len(used) - len(networks), others)


def _folded(used: Counter[str]) -> Counter[str]:
    """IPv6 addresses are stored as /64 networks already."""
    found: Counter[str] = Counter()
    for text, requests in used.items():
        network = ip_network(text)
        found[str(network.supernet(new_prefix=24) if network.version == 4 else network)] += requests
    return found


def hides_addresses(project: Project) -> bool:
    """Whether every request of the project came from one private address: then that address is the gateway's.

    Without TRUSTED_PROXIES the server believes no address that a gateway passes on (docs/gateways.md).
    """
    rows = KeyCaller.objects.filter(key__project=project, span=CallerSpan.DAY).exclude(address=OTHERS).order_by()
    # The search ends at the first other address, because a project may have 100,000 rows.
    another = Exists(rows.exclude(address=OuterRef("address")))
    first = rows.annotate(another=another).values_list("address", "another")[:1]
    return any(not another and _is_private(address) for address, another in first)


def _is_private(address: str) -> bool:
    network = ip_network(address)
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in _PRIVATE
    )
