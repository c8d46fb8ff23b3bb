"""Whether processes keep rows of keys, as the database says it to those that change keys.

A process with VERDICT_LEASE on registers before it keeps its first row. Every change asks after its commit whether
anybody is registered. If the registration is not visible then, it is committed later than the change, and the rows that
are kept under it are read later still.
"""

import os
from datetime import timedelta

import structlog
from django.db import Error, connection
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from apikeys import writer_thread
from apikeys.leases import clocks
from apikeys.leases.models import LeaseRegistration
from common import database_deadline, outages
from common.known_settings import known

logger = structlog.get_logger(__name__)

_believed_until = _renewed_at = float("-inf")


def is_on() -> bool:
    return bool(getattr(known, "VERDICT_LEASE", False))


def asked_at() -> float | None:
    """The moment before a lookup whose row may be kept; None if it may not.

    The snapshot of a transaction may be older than this moment, so a lookup within one is never kept.
    """
    now = clocks.now()
    if now >= _believed_until:
        if is_on():
            writer_thread.wake()
        return None
    return None if connection.in_atomic_block else now


def renew() -> None:
    """Says anew that this process keeps rows, if the last time is long ago. A job of the writer's thread."""
    global _believed_until, _renewed_at
    began = clocks.now()
    if not is_on() or began < _renewed_at + clocks.RENEWED_SECONDS:
        return
    try:
        with database_deadline.Begun():
            _register()
    except Error as error:
        outages.count(error)
        logger.warning("lease_not_renewed", error=type(error).__name__)
        return
    _believed_until, _renewed_at = began + clocks.BELIEVED_SECONDS, began


def _register() -> None:
    until = ExpressionWrapper(Now() + timedelta(seconds=clocks.REGISTERED_SECONDS), output_field=DateTimeField())
    LeaseRegistration.objects.bulk_create(
        [LeaseRegistration(until=until)], update_conflicts=True, unique_fields=["id"], update_fields=["until"]
    )


def is_anybody_registered() -> bool:
    """Also if the database cannot be asked. Called after the commit of a change, outside a transaction."""
    try:
        return LeaseRegistration.objects.filter(until__gt=Now()).exists()
    except Error:
        return True


def forget() -> None:
    global _believed_until, _renewed_at
    _believed_until = _renewed_at = float("-inf")


os.register_at_fork(after_in_child=forget)
