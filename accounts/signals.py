from django.dispatch import Signal

# Sent, with `user`, for the page that asks before an account is deactivated. Receivers return a list of
# `services.Consequence`, so that each app tells what the account means for its rows.
deactivation_asked = Signal()
# Sent, with `email` in canonical form, when somebody wants an account. Receivers return whether an invitation to the
# address is pending.
invitation_asked = Signal()
# Sent, with `user`, `by` and `address`, inside the transaction that deactivates an account or activates it again. An
# error in a receiver undoes the change.
account_deactivated = Signal()
account_reactivated = Signal()
