"""Sessions: the store that keeps them unreadable, and the list that a person sees."""
