"""Pages about what time does to a key: the choice of its end, Edit, and End now."""
