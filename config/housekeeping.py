"""The tasks of housekeeping, in their order. common/housekeeping does them, in one process at a time."""

from accounts.sessions.old_sessions import delete_old_sessions
from apikeys.usage.callers import forget_old_callers
from apikeys.usage.folding import fold_in_steps
from apikeys.usage.new_addresses import tell_of_new_addresses
from common.housekeeping.housekeeper import Task

TASKS = (
    Task("tell_of_new_addresses", tell_of_new_addresses),
    Task("delete_old_sessions", delete_old_sessions),
    Task("forget_old_callers", forget_old_callers),
    Task("fold_usage", fold_in_steps, daily=True),
)
