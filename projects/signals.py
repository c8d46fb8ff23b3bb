from django.dispatch import Signal

# Sent inside the transaction that deletes a project, with `project`, `by` and `address`, so that apps
# whose rows hang on the project end them in the same transaction; an error in a receiver undoes it all.
project_deleted = Signal()
