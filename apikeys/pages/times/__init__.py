"""Pages about what time does to a key: the choice of its end, Edit, End now, and pauses that end."""
