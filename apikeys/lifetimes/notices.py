"""The emails before a key's end and at it, and the event that the end has come.

A pass of send_due_notices sends a project's owners and developers at most one email, which lists every key that it is
about. The mark that a notice was sent (KeyNotice) is written in the transaction that queues the email, under the
project's lock: a process that is killed has done all of it or nothing, and two processes at once do it once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse

from apikeys.lifetimes.ends import write_down_end
from apikeys.lifetimes.models import KeyNotice, Notice
from apikeys.models import ApiKey, ApiKeyQuerySet
from apikeys.standing import EndReason, KeyState
from apikeys.usage.figures import with_figures
from common.instants import expires_on, in_words, time_left
from common.outbox.enqueueing import enqueue
from common.plurals import counted
from common.postgresql.just_in_time import no_compilation
from projects.locks import ProjectGone, lock_project
from projects.models import Membership, Project

logger = structlog.get_logger(__name__)

WEEK, DAY, NOTHING = timedelta(days=7), timedelta(days=1), timedelta()
# Of one pass; the next one goes on.
MOST_PROJECTS = 500
_BEFORE = (Notice.WEEK, Notice.DAY)


def send_due_notices(now: datetime) -> int:
    """Queues the emails that are due, records the ends that have come, and returns the number of projects told.

    A project's emails before an end come at most once in 24 hours. So each also lists the keys whose turn comes in the
    24 hours after it, with the time that each has left. The email at an end waits for nothing.
    """
    with no_compilation():
        due = Project.objects.alive().filter(pk__in=_due(now).values("project")).order_by("pk")
        projects = list(due[:MOST_PROJECTS])
    told = 0
    for project in projects:
        try:
            with transaction.atomic():
                told += _tell(lock_project(project), now)
        except ProjectGone:
            continue
        except DatabaseError:
            raise
        except Exception:
            # The other projects are told nonetheless. This one is tried again at the next pass.
            logger.exception("notices_not_sent", project=project.public_id)
    return told


def _living(now: datetime, within: timedelta) -> ApiKeyQuerySet:
    """Keys that have ended, or end in so much time. A key that somebody ended is told of by that change's own event."""
    return ApiKey.objects.filter(state__in=[KeyState.ACTIVE, KeyState.PAUSED], expires_at__lte=now + within)


def _sent_lately(now: datetime) -> QuerySet[KeyNotice]:
    """The notices before an end in the last 24 hours. A project that has one is told of no other end."""
    return KeyNotice.objects.filter(kind__in=_BEFORE, sent_at__gt=now - DAY)


def _due(now: datetime) -> ApiKeyQuerySet:
    """The keys of which owners and developers have to be told now, if their project was not told in the last 24 hours.

    A roll has emails of its own before the end of the old key.
    """

    def unsent(kind: Notice) -> Q:
        return ~Q(Exists(KeyNotice.objects.filter(key=OuterRef("pk"), kind=kind)))

    of_project = _sent_lately(now).filter(key__project=OuterRef("project"))
    ended = Q(expires_at__lte=now) & unsent(Notice.EXPIRED)
    week = unsent(Notice.WEEK)
    day = Q(expires_at__lte=now + DAY, last_used_at__isnull=False) & unsent(Notice.DAY)
    before = Q(expires_at__gt=now) & ~Q(end_reason=EndReason.ROLLED) & (week | day) & ~Q(Exists(of_project))
    return _living(now, WEEK).filter(ended | before)


def _tell(project: Project, now: datetime) -> bool:
    """Called in the transaction that has locked the project."""
    keys = list(_living(now, WEEK + DAY).select_for_update(no_key=True).filter(project=project).order_by("expires_at"))
    marks = _marks(keys)
    ended = [key for key in keys if _left(key, now) <= NOTHING and write_down_end(key)]
    ending = [key for key in keys if _left(key, now) > NOTHING and _is_due(key, marks[key.pk], now + DAY)]
    is_due = any(_is_due(key, marks[key.pk], now) for key in ending)
    if not is_due or _sent_lately(now).filter(key__project=project).exists():
        ending = []
    KeyNotice.objects.bulk_create(
        KeyNotice(key=key, kind=kind, sent_at=now)
        for key in ending
        for kind in _told_by(key, now)
        if kind not in marks[key.pk]
    )
    # They hear of a key that was never used once.
    ended = [key for key in ended if key.last_used_at or Notice.WEEK not in marks[key.pk]]
    if not ended and not ending:
        return False
    _send(project, with_figures(ended), with_figures(ending), now)
    return True


def _marks(keys: Iterable[ApiKey]) -> dict[int, set[str]]:
    marks: dict[int, set[str]] = defaultdict(set)
    for key_pk, kind in KeyNotice.objects.filter(key__in=keys).values_list("key_id", "kind"):
        marks[key_pk].add(kind)
    return marks


def _left(key: ApiKey, at: datetime) -> timedelta:
    return key.expires_at - at if key.expires_at else timedelta.max


def _is_due(key: ApiKey, marks: set[str], at: datetime) -> bool:
    """Whether one of the notices before the key's end is due at `at`."""
    if key.end_reason == EndReason.ROLLED:
        return False
    is_near = _left(key, at) <= DAY and key.last_used_at is not None
    return (is_near and Notice.DAY not in marks) or (_left(key, at) <= WEEK and Notice.WEEK not in marks)


def _told_by(key: ApiKey, now: datetime) -> list[Notice]:
    """The notices that an email now stands for, because no other one follows within 24 hours."""
    return [Notice.WEEK, Notice.DAY] if _left(key, now) <= 2 * DAY else [Notice.WEEK]


def _send(project: Project, ended: Sequence[ApiKey], ending: Sequence[ApiKey], now: datetime) -> None:
    members = Membership.objects.mailed("ending").filter(project=project).order_by("pk")
    addresses = dict.fromkeys(members.values_list("user__email", flat=True))
    if not addresses:
        return
    url = settings.BASE_URL + reverse("apikeys:settings", args=[project.public_id])
    parts = {
        "ended": [_facts(project, key, now) for key in ended],
        "ending": [_facts(project, key, now) for key in ending],
    }
    context = {"project": project, "settings_url": url}
    text = render_to_string("apikeys/ending_email.txt", context | parts)
    subject = settings.EMAIL_SUBJECT_PREFIX + " ".join(_subject(project, ended, ending, now).split())
    enqueue(
        [EmailMessage(subject, text.strip() + "\n", to=[address]) for address in addresses], about=project.public_id
    )


def _subject(project: Project, ended: Sequence[ApiKey], ending: Sequence[ApiKey], now: datetime) -> str:
    said = []
    if ended:
        said.append("API key expired" if len(ended) == 1 else f"{counted(len(ended), 'API key')} expired")
    if ending:
        first = time_left(_left(ending[0], now))
        number = len(ending)
        said.append(
            f"API key expires {first}" if number == 1 else f"{counted(number, 'API key')} expire, the first {first}"
        )
    about, keys = ", ".join(said), [*ended, *ending]
    return f"{about}: {keys[0].name} ({project.name})" if len(keys) == 1 else f"{about}: {project.name}"


def _facts(project: Project, key: ApiKey, now: datetime) -> dict[str, Any]:
    """What the email says of a key."""
    at = key.expires_at
    end = at and (expires_on(at, now) if at > now else f"Expired on {in_words(at)}")
    used = "Never used"
    if key.last_used_at:
        used = f"Last used {in_words(key.last_used_at)}"
        used += f" from {key.last_used_address}" if key.last_used_address else ""
    return {
        "name": key.name,
        "mask": key.mask,
        "end": end,
        "used": used,
        "calls": key.figures and key.figures.last_24_hours,
        "url": settings.BASE_URL + reverse("apikeys:edit", args=[project.public_id, key.public_id]),
    }
