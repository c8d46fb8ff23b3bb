from django.dispatch import Signal

# Sent, with `project`, at the beginning of the transaction that deletes a project, also of one that turns out to be
# deleted already.
deletion_begun = Signal()

# Sent, with `project`, `by` and `address`, inside the transaction that deletes a project, so that each app ends its own
# rows in the same transaction. An error in a receiver undoes everything.
project_deleted = Signal()

# Sent, with `project`, `user`, `role` (None: removed), `by` and `address`, inside the transaction that adds, changes or
# removes a member and that has locked the project, so that each app ends what the person may not have any more.
member_changed = Signal()

# Sent, with `by`, inside the transaction of a change that is recorded as an event.
change_recorded = Signal()

# Sent, with `project` and `user`, by the page that asks whether to leave. Receivers answer with the names of the things
# for which the person is responsible in the project.
leaving_asked = Signal()

# Sent, with `project`, by the page that asks whether to delete it. Receivers answer with what ends, in words.
deleting_asked = Signal()
