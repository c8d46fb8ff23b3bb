"""The limits of a sample key. A service sets them; only the count of the quota is made up."""

from datetime import datetime

from accounts.models import User
from apikeys.bounds.bound_kinds import LIMITS_CHANGED
from apikeys.bounds.restrictions import Limit, LimitKind, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.limits.models import Budget, key_budget
from apikeys.limits.quota_emails import ALMOST
from apikeys.limits.reserving import starts_of
from apikeys.models import ApiKey
from apikeys.refusals import LET_IN
from apikeys.usage.models import Span

_SMALLEST, _STEP = 1_000, 100


def limit_nearly_used(*, key: ApiKey, rate: Limit, by: User, address: str, since: datetime, now: datetime) -> None:
    """Gives the key a rate, and a quota of which at least nine tenths are used by the requests of this month."""
    counted = key.use.filter(span=Span.MONTH, outcome=LET_IN, starts_at__year=now.year, starts_at__month=now.month)
    used = sum(counted.values_list("calls", flat=True))
    quota = Limit(max(_SMALLEST, used * 10 // 9 // _STEP * _STEP + _STEP), Window.MONTH)
    restrict_key(key=key, restrictions=Restrictions(limits=Limits(rate, quota)), by=by, address=address)
    key.events.filter(kind=LIMITS_CHANGED.code).update(at=since)
    starts = starts_of(now, Window.MONTH)
    # Nobody is emailed about invented requests.
    Budget.objects.create(
        name=key_budget(key.pk, LimitKind.QUOTA, quota),
        starts=starts,
        used=max(used, quota.amount * 9 // 10),
        block=0,
        amount=quota.amount,
        mailed_percent=ALMOST,
        mailed_starts=starts,
    )
