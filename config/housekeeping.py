"""The tasks of housekeeping, in their order. common/housekeeping does them, in one process at a time."""

from accounts.sessions.old_sessions import delete_old_sessions
from apikeys.usage.folding import fold_in_steps
from common.housekeeping.housekeeper import Task

TASKS = (
    Task("delete_old_sessions", delete_old_sessions),
    Task("fold_usage", fold_in_steps, daily=True),
)
