"""How many keys there are of each standing, for the metrics."""

import time
from datetime import datetime

from django.conf import settings
from django.db.models import Count

from apikeys.models import STANDING_ORDER, ApiKey
from apikeys.standing import DELETED, STANDINGS
from common.metrics import counts

# Counting takes at most a hundredth of the time, however many keys there are.
SHARE = 100

_not_before = 0.0


def tell_keys_by_standing(now: datetime) -> None:
    """A task of the housekeeping. Deleted keys are not counted, because they only become more."""
    global _not_before
    began = time.monotonic()
    if not settings.METRICS_TOKEN or began < _not_before:
        return
    _not_before = began + settings.HOUSEKEEPING_SECONDS * SHARE  # if it takes longer than the database allows
    found = ApiKey.objects.alive().order_by().annotate(place=STANDING_ORDER).values_list("place").annotate(Count("pk"))
    numbers = dict(found)
    _not_before = began + (time.monotonic() - began) * SHARE
    living = [standing for standing in STANDINGS if standing is not DELETED]
    counts.tell("keys", {each.code: numbers.get(STANDINGS.index(each), 0) for each in living})
