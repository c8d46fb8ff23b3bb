from django.dispatch import Signal

# Sent inside the transaction that deletes a project, with `project`, `by` and `address`, so that apps
# whose rows hang on the project end them in the same transaction; an error in a receiver undoes it all.
project_deleted = Signal()

# Sent inside the transaction that changes a member, with `project`, `user`, the roles `before` and now (`role`), of
# which None means no member, `by` and `address`. An error in a receiver undoes the change.
member_changed = Signal()
