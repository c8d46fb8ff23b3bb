from django.db import models
from django.utils import timezone

from accounts.models import User


class KeyOffer(models.Model):
    """A key that an owner offers to a member, until the member accepts or declines, or the offer is withdrawn."""

    key = models.OneToOneField("apikeys.ApiKey", on_delete=models.CASCADE, related_name="offer")
    to = models.ForeignKey(User, on_delete=models.PROTECT, related_name="offered_keys")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    offered_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.key} to {self.to}"
