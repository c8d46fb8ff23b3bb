from django.db import models

# A key or a project, its id, a kind of limit and a window: key:12345:quota:month.
NAME_LENGTH = 60


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
