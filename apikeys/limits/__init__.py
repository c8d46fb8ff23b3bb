"""The limits of keys and projects: budgets in the database, which processes spend in blocks, never beyond the limit."""
