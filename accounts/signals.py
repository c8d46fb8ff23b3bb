from django.dispatch import Signal

# Sent, with `user`, for the page that asks before an account is deactivated. Receivers return a list of
# `services.Consequence`, so that each app tells what the account means for its rows.
deactivation_asked = Signal()
# Sent, with `user`, for the page that deletes an account and again when it is deleted. Receivers return a list of
# `services.Obstacle`: what hangs on the account and keeps it from being deleted.
deletion_asked = Signal()
# Sent, with `user`, at the beginning of a transaction that deletes, deactivates or clears an account, before the
# account is locked. Receivers lock the rows that changes by this person lock first, so that either comes first.
closing_begun = Signal()
# Sent, with `user` and `address`, inside that transaction, while the account still has its email. Receivers end what
# the person had. An error in a receiver undoes everything.
account_deleted = Signal()
# Sent, with `email` in canonical form, when somebody wants an account. Receivers return whether an invitation to the
# address is pending.
invitation_asked = Signal()
# Sent, with `user`, at the beginning of the transaction that deactivates an account, also of one that turns out to be
# deactivated already.
deactivation_begun = Signal()
# Sent, with `user`, `by` and `address`, inside the transaction that deactivates an account or activates it again. An
# error in a receiver undoes the change.
account_deactivated = Signal()
account_reactivated = Signal()
# Sent, with `user` and `address`, inside the transaction in which an account is taken from whoever registered its email
# in advance (accounts/unconfirmed.py). Receivers end what the person never agreed to, and return a list of
# `services.Lost`. `nobody` makes the deleted account to which things go that have to belong to some account.
account_cleared = Signal()
