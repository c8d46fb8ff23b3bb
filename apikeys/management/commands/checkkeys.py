from typing import Any

from apikeys.management.key_commands import GUIDE, WRONG_KEYS, counted, named
from apikeys.proofs import check_keys
from projects.management.operator_command import Answer, OperatorCommand

_MISSING = "Put it back; manage.py rotate_encryption --dry-run says which it is."
PROBLEMS = WRONG_KEYS | {
    "ring_key_missing": f"Their ring key is not in KEY_RING. Calls are let in, but they cannot be shown. {_MISSING}",
    "pepper_missing": f"Their pepper is not in KEY_PEPPERS, so that calls are refused as unknown. {_MISSING}",
}


class Command(OperatorCommand):
    help = (
        "Prove that database, KEY_RING and KEY_PEPPERS belong together: each key decrypts to the secret of its digest. "
        "It changes nothing. Run it after a backup was restored."
    )

    def answer(self, **options: Any) -> Answer:
        found = check_keys()
        right = found.right
        if not any(right.values()) and not any(found.wrong.values()):
            return Answer(right | found.wrong, "There are no keys, and so nothing is proven.")
        text = f"{counted(right['proven'])} proven: each decrypts to the secret of its digest."
        if right["show_once"]:
            text += f" {counted(right['show_once'], 'show-once key')} not proven: only a call can do that."
        if right["deleted"]:
            text += f" {counted(right['deleted'], 'deleted key')}."
        return Answer(right | found.wrong, text, _failure(found.wrong))


def _failure(wrong: dict[str, list[str]]) -> str:
    failures = [
        f"Not as it should be: {named(wrong[name])}. {problem}" for name, problem in PROBLEMS.items() if wrong[name]
    ]
    if failures:
        failures.append(GUIDE)
    return "\n".join(failures)
