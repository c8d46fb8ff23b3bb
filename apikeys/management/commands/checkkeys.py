from typing import Any

from accounts.second_factors import secrets_at_rest
from accounts.second_factors.secrets_at_rest import FactorCensus
from apikeys.management import stored_secrets
from apikeys.management.key_commands import GUIDE, WRONG_KEYS, named
from apikeys.secrets.integrity import Findings, check_keys
from common.installation import MANAGE
from common.outbox import sealed_emails
from common.outbox.sealed_emails import EmailCensus
from common.plurals import counted
from projects.management.operator_command import Answer, OperatorCommand

_MISSING = f"Put it back; {MANAGE} rotate_encryption --dry-run says which it is."
PROBLEMS = WRONG_KEYS | {
    "ring_key_missing": f"Their ring key is not in KEY_RING. Requests work, but no secret can be shown. {_MISSING}",
    "pepper_missing": f"Their pepper is not in KEY_PEPPERS, so requests using them are rejected as unknown. {_MISSING}",
}


class Command(OperatorCommand):
    help = (
        "Prove that database, KEY_RING and KEY_PEPPERS belong together: each key decrypts to the secret of its digest, "
        "and each second factor and each email that waits can be read. It changes nothing. Run it after a backup was "
        "restored."
    )

    def answer(self, **options: Any) -> Answer:
        found, factors, emails = check_keys(), secrets_at_rest.take_census(), sealed_emails.take_census()
        data: dict[str, Any] = {
            **found.right,
            **found.wrong,
            "second_factors": factors.read,
            "second_factors_not_readable": factors.not_readable,
            "emails": emails.read,
            "emails_not_readable": emails.not_readable,
        }
        failures = [*_wrong_keys(found.wrong), *stored_secrets.not_readable(factors)]
        failures += stored_secrets.emails_not_readable(emails)
        if failures:
            failures.append(GUIDE)
        return Answer(data, f"{_keys(found)}{_factors(factors)}{_emails(emails)}", "\n".join(failures))


def _keys(found: Findings) -> str:
    right = found.right
    if not any(right.values()) and not any(found.wrong.values()):
        return "There are no keys, and so nothing is proven."
    text = f"{counted(right['proven'], 'key')} proven: each decrypts to the secret of its digest."
    if right["show_once"]:
        shown_once = counted(right["show_once"], "key")
        text += f" {shown_once} without a stored secret, not proven: only a request can do that."
    if right["deleted"]:
        text += f" {counted(right['deleted'], 'deleted key')}."
    return text


def _factors(census: FactorCensus) -> str:
    return f" {counted(census.read, 'second factor')} proven: each can be read." if census.read else ""


def _emails(census: EmailCensus) -> str:
    return f" {counted(census.read, 'email')} proven: each can be read." if census.read else ""


def _wrong_keys(wrong: dict[str, list[str]]) -> list[str]:
    return [
        f"Not as it should be: {named(wrong[name])}. {problem}" for name, problem in PROBLEMS.items() if wrong[name]
    ]
