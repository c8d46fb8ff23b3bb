from typing import Any

from allauth.account.models import EmailAddress
from django.core.management.base import CommandParser

from accounts import address_clashes
from accounts.address_clashes import Account, Found
from accounts.models import User
from projects.management.operator_command import Answer, OperatorCommand

GUIDE = 'See "Email addresses" in docs/upgrading.md.'


class Command(OperatorCommand):
    help = (
        "List accounts whose email addresses clash, are not in canonical form, or would be rejected today. "
        "It changes nothing without --settle."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--settle",
            action="store_true",
            help="Give every account the canonical form of its address, if no other account has more of a claim to it.",
        )

    def answer(self, **options: Any) -> Answer:
        settled = address_clashes.settle(User, EmailAddress) if options["settle"] else 0
        found = address_clashes.find(User, EmailAddress)
        return Answer(_data(found, settled), "\n".join(_lines(found, settled)))


def _data(found: Found, settled: int) -> dict[str, Any]:
    return {
        "settled": settled,
        "clashes": [
            {"address": form, "kept_by": _facts(keeper), "others": [_facts(other) for other in others]}
            for form, (keeper, *others) in found.clashes.items()
        ],
        "unsettled": [_facts(account) for account in found.unsettled],
        "refused": [
            {**_facts(account), "looks_like": _facts(twin) if twin else None} for account, twin in found.refused
        ],
    }


def _facts(account: Account) -> dict[str, Any]:
    return {"id": account.public_id, "email": account.email, "is_confirmed": account.is_confirmed}


def _lines(found: Found, settled: int) -> list[str]:
    lines = [f"Settled {settled}."] if settled else []
    for form, (keeper, *others) in found.clashes.items():
        lines.append(f"Clash: {form} belongs to {_named(keeper)}; also written by {', '.join(map(_named, others))}.")
    lines += [f"Not in canonical form: {_named(account)}. Run this with --settle." for account in found.unsettled]
    for account, twin in found.refused:
        lines.append(f"Would be rejected today: {_named(account)}" + (f", looks like {_named(twin)}." if twin else "."))
    return [*lines, GUIDE] if lines else ["Every account's address is in canonical form."]


def _named(account: Account) -> str:
    return f"{account.email} ({account.public_id}, {'confirmed' if account.is_confirmed else 'not confirmed'})"
