import sys
from typing import Any

from django.core.mail.backends import console


class EmailBackend(console.EmailBackend):
    """Shows emails on standard error, beside the log, because a command with --json writes only JSON to standard
    output.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"stream": sys.stderr, **options})
