"""Who may get an account, and accounts that an operator prepares for somebody."""
