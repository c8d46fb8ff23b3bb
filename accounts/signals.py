from django.dispatch import Signal

# Sent for the page that asks before an account is deactivated, with `user`. Receivers return a list of
# `services.Consequence`, so that apps say what of theirs hangs on the account.
deactivation_asked = Signal()
# Sent inside the transaction that deactivates an account or lets it in again, with `user`, `by` and `address`. An error
# in a receiver undoes the change.
account_deactivated = Signal()
account_reactivated = Signal()
