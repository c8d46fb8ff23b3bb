"""What becomes of keys when the account that is responsible for them is deactivated, deleted or cleared."""
