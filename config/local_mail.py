import sys
from typing import Any

from django.core.mail.backends import console


class EmailBackend(console.EmailBackend):
    """Shows mails beside the log, on standard error: a command's --json is all that its standard output holds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"stream": sys.stderr, **options})
