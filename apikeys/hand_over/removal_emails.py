"""The emails about a removed member: one to each reader, however many keys were rolled or paused."""

from collections.abc import Sequence

from accounts.models import User
from apikeys.audit_kinds import CHECK_ACCOUNTS
from apikeys.hand_over.removal_choices import Choice, Outcome
from apikeys.lifetimes.rolling import end_of_old_key
from projects.audit_kinds import MEMBER_REMOVED
from projects.audit_log.kinds import Email
from projects.audit_log.models import AuditEvent
from projects.audit_log.owner_emails import Line, tell, tell_owners
from projects.models import Project

_ROLLED = Email(
    "created",
    "API keys rolled",
    "API keys that depended on the removed member below were rolled: new keys replace them. The old keys work until "
    "they end.",
    f"If this was not you or someone you trust, end the old keys, delete the new ones, then {CHECK_ACCOUNTS}.",
)


def tell_of_removal(
    removal: AuditEvent | None, project: Project, user: User, outcomes: Sequence[Outcome], who: list[Line]
) -> None:
    """Called in the transaction of the removal. Owners read about all keys, and developers about the new ones.

    Without `removal`, the person was removed before, and owners get the email of the new keys, too. The person reads
    of no key.
    """
    if removal:
        tell(MEMBER_REMOVED, removal, None, more=[_line(one) for one in outcomes if not one.was_done_before])
    rolled = [_line(one) for one in outcomes if one.new and not one.was_done_before]
    if rolled:
        lines = [("Person", user.email), *rolled, *who]
        tell_owners(project, _ROLLED, user.email, lines, but_owners=removal is not None)


def _line(outcome: Outcome) -> Line:
    key = outcome.key
    if outcome.problem:
        return "Not changed", outcome.problem
    if outcome.new:
        return "Key rolled", f"{outcome.new.name}, {outcome.new.mask}. The old key {end_of_old_key(key)}."
    done = {Choice.PAUSE: "Key paused"}.get(outcome.choice, "Key left as it is")
    return done, f"{key.name}, {key.mask}"
