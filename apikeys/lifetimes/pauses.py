"""Pauses that end by themselves."""

from datetime import datetime, timedelta

from django.db import transaction

from apikeys import audit_kinds
from apikeys.keys.pausing import write_down_end_of_pause
from apikeys.models import ApiKey
from apikeys.standing import KeyState

# The lengths of a pause that pages and commands offer, each with its words.
LENGTHS = {
    "5m": (timedelta(minutes=5), "5 minutes"),
    "1h": (timedelta(hours=1), "1 hour"),
    "24h": (timedelta(hours=24), "24 hours"),
}
_LET_IN_AGAIN = [kind.code for kind in (audit_kinds.RESUMED, audit_kinds.RESUMED_ITSELF, audit_kinds.RESUMED_REPORTED)]
# So many keys take about a second. Housekeeping comes back for the rest.
MOST_AT_ONCE = 500


def write_down_ended_pauses(now: datetime, most: int = MOST_AT_ONCE) -> int:
    """Writes down which pauses have ended by `now`, and returns their number, at most `most`.

    The keys work since the ends of their pauses. This only adds the events, for people who read the activity.
    """
    ended = ApiKey.objects.filter(state=KeyState.PAUSED, resumes_at__lte=now).order_by("resumes_at", "pk")[:most]
    written = 0
    for key in ended:
        with transaction.atomic():
            written += write_down_end_of_pause(key, now)
    return written


def what_requests_are(key: ApiKey) -> str:
    """What happens to requests using the key: "allowed", "rejected". A pause is not the only reason to reject them."""
    if key.standing.lets_in:
        return "allowed"
    return "rejected" if key.is_paused else f"still rejected: its status is {key.standing.label}"


def re_enabled_itself(key: ApiKey) -> bool:
    """Whether nobody re-enabled the key after its last pause, because that pause ended by itself."""
    last = key.events.filter(kind__in=_LET_IN_AGAIN).first()
    return last is not None and last.kind == audit_kinds.RESUMED_ITSELF.code
