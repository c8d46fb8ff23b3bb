from django.db import models


class Claim(models.Model):
    """The process that does the housekeeping, until `ends_at` by the database's clock. The table has one row."""

    name = models.CharField(primary_key=True, max_length=32)
    holder = models.CharField(max_length=100, blank=True)
    ends_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class DailyTask(models.Model):
    """When a task that is due once a day was last finished."""

    name = models.CharField(primary_key=True, max_length=32)
    finished_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
