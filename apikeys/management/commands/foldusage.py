from typing import Any

from apikeys.usage.folding import HOURS_KEPT, UNMATCHED_KEPT, fold_hours
from projects.management.operator_command import Answer, OperatorCommand


class Command(OperatorCommand):
    help = (
        f"Fold the hours of use that are older than {HOURS_KEPT.days} days into their days, and forget calls that "
        f"matched no key after {UNMATCHED_KEPT.days} days. The server does that by itself, once a day. The command "
        "may be stopped at any time and run again."
    )

    def answer(self, **options: Any) -> Answer:
        folded = fold_hours()
        text = f"Folded {folded.hours:,} rows of hours into their days."
        if folded.unmatched_hours:
            text += f" Forgot {folded.unmatched_hours:,} hours of calls that matched no key."
        return Answer(folded._asdict(), text)
