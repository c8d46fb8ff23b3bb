"""Sessions: the store, which keeps them unreadable in the database, and the list that a person sees."""
