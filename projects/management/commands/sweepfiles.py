from typing import Any

from common.installation import MANAGE
from common.plurals import counted
from projects.files.sweeping import AGE, delete_strays, strays
from projects.management.operator_command import Answer, OperatorCommand


class Command(OperatorCommand):
    help = (
        "List stored bytes that belong to no file: a server that is killed amid an upload or a deletion leaves them. "
        f"Only what is older than {AGE.days} day counts. --delete deletes them."
    )

    def add_arguments(self, parser: Any) -> None:
        super().add_arguments(parser)
        parser.add_argument("--delete", action="store_true", help="Delete them; without it nothing is changed.")

    def answer(self, **options: Any) -> Answer:
        found = strays()
        total = sum(stray.size for stray in found)
        if options["delete"]:
            delete_strays(found)
        text = "Nothing to sweep."
        if found:
            text = "\n".join(
                [*(stray.name for stray in found), f"{counted(len(found))} without a file, {counted(total, 'byte')}"]
            )
            text += ", deleted." if options["delete"] else f". To delete them: {MANAGE} sweepfiles --delete"
        return Answer({"names": [stray.name for stray in found], "bytes": total, "deleted": options["delete"]}, text)
