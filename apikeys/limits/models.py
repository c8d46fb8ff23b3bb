from collections.abc import Callable

from django.db import models

from apikeys.bounds.restrictions import Limit

NAME_LENGTH = 60

# Makes a row's name of the primary key of a key or a project, the kind of limit, and the limit.
NameOf = Callable[[int, str, Limit], str]


def key_budget(pk: int, kind: str, limit: Limit) -> str:
    """Such as "key:12345:quota:month"."""
    return f"key:{pk}:{kind}:{limit.window}"


def project_budget(pk: int, kind: str, limit: Limit) -> str:
    return f"project:{pk}:{kind}:{limit.window}"


class Budget(models.Model):
    """How much of a limit is used up in its newest window. There is one row for each limit that was ever used.

    `used` counts what was reserved: what requests have used, and what processes still hold (blocks.py). A row whose
    window has ended says nothing any more; the next reservation begins anew with it.
    """

    name = models.CharField(primary_key=True, max_length=NAME_LENGTH)
    # The window's first second, since 1970.
    starts = models.BigIntegerField()
    used = models.BigIntegerField()
    # What the last reservation got.
    block = models.BigIntegerField()
    # The limit at the last reservation.
    amount = models.BigIntegerField()
    # The highest share of a quota, in percent, about which the owners were emailed in the window that starts here.
    mailed_percent = models.SmallIntegerField(default=0, db_default=0)
    mailed_starts = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return self.name
