"""How Django writes dates where no template of ours does: in the admin."""
