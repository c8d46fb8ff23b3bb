from typing import Any

from django.core.management.base import CommandError, CommandParser

from apikeys.management import stored_secrets
from apikeys.management.key_commands import GUIDE, WRONG_KEYS, named
from apikeys.secrets import vault
from apikeys.secrets.integrity import KEYS_A_STATEMENT
from apikeys.secrets.rotation import (
    Census,
    Need,
    Rotated,
    Target,
    find_target,
    not_needed,
    pepper_needs,
    ring_needs,
    rotate,
    take_census,
)
from common.plurals import counted
from common.whole_numbers import read_whole
from projects.management.operator_command import Answer, OperatorCommand

MOST_A_BATCH = 10_000


class Command(OperatorCommand):
    help = (
        "Move every key, second factor and waiting email to the first entries of KEY_RING and KEY_PEPPERS, and say "
        "which older ones are still needed. It works beside running servers, and may be stopped at any time and run "
        "again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Change nothing, only say what is needed.")
        parser.add_argument(
            "--batch", default=KEYS_A_STATEMENT, help=f"Keys a transaction (default: {KEYS_A_STATEMENT})."
        )
        parser.add_argument(
            "--lost-pepper",
            action="append",
            default=[],
            metavar="ID",
            help="A pepper that is gone for good: the digests of its keys are made anew from their ciphertexts.",
        )

    def answer(self, **options: Any) -> Answer:
        batch = _batch(options["batch"])
        try:
            target = find_target(options["lost_pepper"])
        except vault.VaultUnavailable as error:
            raise CommandError(f"No key can be moved: {error} Set it as docs/settings.md says.") from error
        _refuse_configured(options["lost_pepper"])
        # No error: a run that was killed at its very end leaves no work to the next run.
        idle = "".join(f"No key needs pepper {pepper!r}.\n" for pepper in not_needed(options["lost_pepper"]))
        if options["dry_run"]:
            census, others = take_census(target), stored_secrets.look()
            done = f"{idle}{counted(census.movable, 'key')} can be moved"
            return _report(target, Rotated(0, [], []), census, others, done, [])
        others = stored_secrets.rotate(batch=batch)
        rotated = rotate(target, batch=batch, progress=self._show_progress)
        self._show("\n")
        census = take_census(target)
        left_over = _left_over(census.movable - len(rotated.not_decrypted) - len(rotated.digest_differs))
        return _report(target, rotated, census, others, f"{idle}Moved {counted(rotated.moved, 'key')}", left_over)

    def _show_progress(self, seen: int, moved: int) -> None:
        self._show(f"\r{counted(seen, 'key')} looked at, {moved:,} moved")

    def _show(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(text, style_func=str, ending="")
            self.stderr.flush()


def _batch(given: str | int) -> int:
    text = str(given)
    if number := read_whole(text, MOST_A_BATCH):
        return number
    raise CommandError(f"--batch must be a number from 1 to {MOST_A_BATCH}, not {text!r}.")


def _refuse_configured(lost_peppers: list[str]) -> None:
    for pepper in lost_peppers:
        if pepper in vault.pepper_ids():
            raise CommandError(
                f"{pepper} is in KEY_PEPPERS, so it is not lost: run this without --lost-pepper {pepper}. If it stands "
                f"for other bytes than before, give these a new id first. {GUIDE}"
            )


def _report(
    target: Target, rotated: Rotated, census: Census, others: stored_secrets.Rotated, done: str, left_over: list[str]
) -> Answer:
    ring, peppers = ring_needs(census, others.census.ring_keys, others.emails.ring_keys), pepper_needs(census)
    data = rotated._asdict() | {
        **others.data,
        "movable": census.movable,
        "ring_keys": [
            _fields(need, "id", "configured", "first", "keys", "second_factors", "emails", "removable") for need in ring
        ],
        "peppers": [
            _fields(need, "id", "configured", "first", "keys", "show_once", "deleted", "removable") for need in peppers
        ],
    }
    lines = [f"{done} to ring key {target.ring_key} and pepper {target.pepper}."]
    lines += stored_secrets.lines_of(others, target.ring_key)
    lines += ["KEY_RING", *map(_line, ring), "KEY_PEPPERS", *map(_line, peppers)]
    failures = [
        *_wrong_keys(rotated),
        *filter(None, map(_ring_key_lacks, ring)),
        *filter(None, map(_pepper_lacks, peppers)),
        *left_over,
        *others.failures,
    ]
    if failures:
        failures.append(GUIDE)
    return Answer(data, "\n".join(lines), "\n".join(failures))


def _fields(need: Need, *names: str) -> dict[str, object]:
    return {name: getattr(need, name) for name in names}


def _line(need: Need) -> str:
    counts = (
        (need.keys, "key", ""),
        (need.show_once, "key", " without a stored secret"),
        (need.deleted, "deleted key", ""),
        (need.second_factors, "second factor", ""),
        (need.emails, "email", ""),
    )
    keys = ", ".join(counted(number, noun) + detail for number, noun, detail in counts if number) or "no key"
    if not need.configured:
        verdict = "MISSING"
    elif need.first:
        verdict = "in use"
    elif need.removable:
        return f"  {need.id}  not needed by any key"
    elif need.deleted and not (need.keys or need.show_once):
        verdict = "not needed where deleted keys may answer key_unknown instead of key_deleted"
    else:
        verdict = "still needed"
    return f"  {need.id}  {verdict}: {keys}"


def _wrong_keys(rotated: Rotated) -> list[str]:
    problems = {"not_decrypted": rotated.not_decrypted, "digest_differs": rotated.digest_differs}
    return [f"Left alone: {named(ids)}. {WRONG_KEYS[name]}" for name, ids in problems.items() if ids]


def _ring_key_lacks(need: Need) -> str:
    """Second factors that lack their ring key have a failure of their own."""
    if need.configured or not need.keys:
        return ""
    return (
        f"Ring key {need.id} is not in KEY_RING, but {counted(need.keys, 'key')} need it to be shown or moved: put it "
        "back. Requests are allowed without it."
    )


def _pepper_lacks(need: Need) -> str:
    living = need.keys + need.show_once
    if need.configured or not living:
        return ""
    text = (
        f"Pepper {need.id} is not in KEY_PEPPERS, so requests using {counted(living, 'key')} are rejected as unknown: "
        "put it back."
    )
    return text + (f" If it is lost, --lost-pepper {need.id} brings {need.keys:,} of them back." if need.keys else "")


def _left_over(number: int) -> list[str]:
    if number <= 0:
        return []
    advice = "restart the servers that still put it first, then run this again."
    return [f"{counted(number, 'key')} came under an older entry meanwhile: {advice}"]
