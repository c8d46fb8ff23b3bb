"""The tasks of housekeeping, in their order. common/housekeeping does them, in one process at a time."""

from accounts.sessions.old_sessions import delete_old_sessions
from apikeys.keys.keys_by_standing import tell_keys_by_standing
from apikeys.lifetimes.notices import send_due_notices
from apikeys.lifetimes.pauses import write_down_ended_pauses
from apikeys.lifetimes.quiet import end_quiet_keys, send_roll_notices
from apikeys.limits.quota_emails import warn_of_quotas
from apikeys.usage.callers import forget_old_callers
from apikeys.usage.folding import fold_in_steps
from apikeys.usage.new_addresses import tell_of_new_addresses
from common.housekeeping.housekeeper import Task
from common.metrics.waiting_emails import tell_waiting_emails
from projects.invitations.ended_invitations import delete_old_invitations

TASKS = (
    Task("write_down_ended_pauses", write_down_ended_pauses),
    Task("end_quiet_keys", end_quiet_keys),
    Task("send_roll_notices", send_roll_notices),
    Task("send_due_notices", send_due_notices),
    Task("warn_of_quotas", warn_of_quotas),
    Task("tell_of_new_addresses", tell_of_new_addresses),
    Task("delete_old_sessions", delete_old_sessions),
    Task("delete_old_invitations", delete_old_invitations),
    Task("forget_old_callers", forget_old_callers),
    Task("tell_waiting_emails", tell_waiting_emails),
    Task("tell_keys_by_standing", tell_keys_by_standing),
    Task("fold_usage", fold_in_steps, daily=True),
)
