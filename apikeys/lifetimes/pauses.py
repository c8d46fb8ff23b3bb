"""Pauses that end by themselves."""

from datetime import datetime, timedelta

from django.db import transaction

from apikeys import audit_kinds
from apikeys.keys.pausing import write_down_end_of_pause
from apikeys.models import ApiKey
from apikeys.standing import KeyState
from common.instants import in_words

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


def why_unchanged(key: ApiKey) -> str:
    """The key's current standing, for somebody whose pause or resume changed nothing."""
    if key.is_reported:
        return (
            f"{key.name} was reported as leaked in the meantime and stays paused. Nothing was changed. "
            "Re-enable it only if you are sure that nobody else has the secret."
        )
    if key.is_paused and key.resumes_at:
        return f"{key.name} was paused already, until {in_words(key.resumes_at)}. Nothing was changed."
    if key.is_paused:
        return f"{key.name} was paused already. Nothing was changed."
    if key.is_expired:
        return f"{key.name} has expired. Nothing was changed."
    if re_enabled_itself(key):
        are = what_requests_are(key)
        return f"The pause of {key.name} ended by itself. Requests using it are {are}. Nothing was changed."
    status = "active already" if key.standing.lets_in else f"not paused, and its status is {key.standing.label}"
    return f"{key.name} was {status}. Nothing was changed."
