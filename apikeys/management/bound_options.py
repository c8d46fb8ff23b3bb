"""The options of createkey, editkey and limitproject that say what a key may do, and how often."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from apikeys.bounds import networks
from apikeys.bounds.restrictions import READ, Limit, LimitKind, Limits, Restrictions, Unreadable
from apikeys.bounds.rules import read_limit
from apikeys.models import ApiKey

UNREADABLE = "This release cannot read what the key may do. Use the newest release that runs on this database."


def add_restrictions(parser: CommandParser) -> None:
    """Access, networks and limits. argparse itself refuses two options that contradict each other."""
    access = parser.add_mutually_exclusive_group()
    access.add_argument("--full-access", action="store_true", help="The key may do everything.")
    access.add_argument(
        "--read-only", dest="only_reads", action="store_true", help="The key may make GET, HEAD and OPTIONS requests."
    )
    access.add_argument(
        "--scope", action="append", metavar="S", help="A scope of the key, as SCOPES defines it; repeat it for several."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--any-address", action="store_true", help="The key may be used from any address.")
    where.add_argument(
        "--network",
        action="append",
        metavar="N",
        help="An address or a network from which the key may be used, such as 198.51.100.0/24; repeat it for several.",
    )
    add_limits(parser)


def add_limits(parser: CommandParser) -> None:
    for kind, example in ((LimitKind.RATE, "100/minute"), (LimitKind.QUOTA, "10000/month")):
        group = parser.add_mutually_exclusive_group()
        group.add_argument(f"--{kind}", metavar="N/WINDOW", help=f"At most so many requests, such as {example}.")
        group.add_argument(f"--no-{kind}", action="store_true", help=f"No {kind}.")


def are_given(options: dict[str, Any]) -> bool:
    """Whether one of the options stands in the command."""
    names = ("full_access", "only_reads", "any_address", "no_rate", "no_quota")
    return any(options[name] for name in names) or any(
        options[name] is not None for name in ("scope", "network", "rate", "quota")
    )


def read_restrictions(options: dict[str, Any], had: Restrictions) -> Restrictions:
    """What the options say; what they leave out stays as the key had it. Raises ValidationError."""
    read_only, scopes, allowed = had.read_only, had.scopes, had.networks
    if options["full_access"] or options["only_reads"]:
        read_only, scopes = options["only_reads"], None
    elif options["scope"] is not None:
        read_only, scopes = False, tuple(sorted(set(options["scope"])))
    if options["any_address"]:
        allowed = ()
    elif options["network"] is not None:
        allowed = _read_networks(options["network"])
    return Restrictions(read_only, scopes, allowed, read_limits(options, had.limits))


def _read_networks(texts: list[str]) -> tuple[str, ...]:
    """An empty text, as of a variable that is not set, must not mean any address."""
    if not all(text.strip() for text in texts):
        raise ValidationError("A network is empty. Write --network 198.51.100.0/24, or --any-address.")
    return networks.read(texts)


def read_limits(options: dict[str, Any], had: Limits) -> Limits:
    """What the options say; a limit that they leave out stays. Raises ValidationError."""
    return Limits(*(_read_limit(kind, options, getattr(had, kind)) for kind in LimitKind))


def _read_limit(kind: LimitKind, options: dict[str, Any], had: Limit | None) -> Limit | None:
    if options[f"no_{kind}"]:
        return None
    text: str | None = options[kind.value]
    return had if text is None else read_limit(kind, text)


def facts_of_key(key: ApiKey) -> dict[str, Any]:
    """The restrictions as --json shows them, in the spelling of the options."""
    try:
        bounds = key.bounds
    except Unreadable:
        return dict.fromkeys(("access", "networks", "rate", "quota"), "unreadable")
    chosen = "full" if bounds.scopes is None else list(bounds.scopes)
    return {
        "access": READ if bounds.read_only else chosen,
        "networks": [networks.in_words(network) for network in bounds.networks],
        **facts_of_limits(bounds.limits),
    }


def facts_of_limits(limits: Limits) -> dict[str, str | None]:
    """Such as {"rate": "100/minute", "quota": None}."""
    return {kind: limit and str(limit) for kind, limit in limits._asdict().items()}
