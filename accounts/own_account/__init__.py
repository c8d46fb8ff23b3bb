"""What people do with their own account: the name that others see, and its deletion."""
