from django.db import models


class LeaseRegistration(models.Model):
    """The one row that says until when, by the database's clock, a process may keep rows of keys."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="lease_registration_is_one_row")]

    def __str__(self) -> str:
        return f"until {self.until}"
