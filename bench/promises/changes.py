"""Every kind of change that takes access away, each made through its service."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User
from accounts.services import deactivate_account
from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window, column_of_limits
from apikeys.bounds.services import limit_project, restrict_key
from apikeys.hand_over.services import hand_over
from apikeys.keys import pausing, services
from apikeys.keys.services import NewKey
from apikeys.lifetimes.ends import change_end, end_key
from apikeys.lifetimes.rolling import Overlap, roll_key
from apikeys.models import ApiKey
from bench.tools.load import LoadFailed
from projects.models import Project
from projects.services import delete_project
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory

# An end so close has come before the change is answered, because the answer waits longer than that.
SHORTLY = timedelta(milliseconds=150)
TRIES = 50
# Windows of a month: a new window would allow a call.
_ENOUGH, _USED_UP = (Limits(quota=Limit(amount, Window.MONTH)) for amount in (10**9, 1))


@dataclass(frozen=True)
class Case:
    """A key in use, its owner, and a member who could take it over. All are new for each change."""

    new: NewKey
    owner: User
    member: User
    project: Project

    @property
    def key(self) -> ApiKey:
        return self.new.key


def new_case() -> Case:
    owner, member = UserFactory(), UserFactory()
    project = ProjectFactory(created_by=owner, limits=column_of_limits(_ENOUGH))
    for user in (owner, member):
        MembershipFactory(user=user, project=project)
    restrictions = Restrictions(limits=_ENOUGH)
    new = services.create_key(project=project, name="Key", by=owner, restrictions=restrictions)
    return Case(new, owner, member, project)


def _restrict(case: Case, **fields: Any) -> None:
    restrict_key(key=case.key, restrictions=Restrictions(**{"limits": _ENOUGH, **fields}), by=case.owner)


def _end_shortly(case: Case) -> None:
    """On a busy machine the end may have come before the change is made, and is refused."""
    for _ in range(TRIES):
        with suppress(ValidationError):
            change_end(key=case.key, expires_at=timezone.now() + SHORTLY, by=case.owner)
            return
    raise LoadFailed("The machine is too busy to give a key an end.")


def _pause_behind_its_back(case: Case) -> None:
    """Not through a service, so nothing waits: what a kept row allows then shows that rows are kept."""
    ApiKey.objects.filter(pk=case.key.pk).update(**pausing.paused(timezone.now()))


Change = Callable[[Case], object]

CHANGES: dict[str, Change] = {
    "pause": lambda case: pausing.pause_key(key=case.key, by=case.owner),
    "end": lambda case: end_key(key=case.key, by=case.owner),
    "shorter end": _end_shortly,
    "roll": lambda case: roll_key(key=case.key, overlap=Overlap.NONE, by=case.owner),
    "delete": lambda case: services.delete_key(key=case.key, by=case.owner),
    "report": lambda case: services.report_leak(secret=case.new.secret),
    "narrower access": lambda case: _restrict(case, read_only=True),
    "other networks": lambda case: _restrict(case, networks=("192.0.2.0/24",)),
    "lower limit": lambda case: _restrict(case, limits=_USED_UP),
    "lower limit of the project": lambda case: limit_project(project=case.project, limits=_USED_UP, by=None),
    "deactivated account": lambda case: deactivate_account(user=case.owner, by=None),
    "hand over": lambda case: hand_over(key=case.key, to=case.member, by=None),
    "deleted project": lambda case: delete_project(project=case.project, by=case.owner),
}
BEHIND_ITS_BACK: Change = _pause_behind_its_back
