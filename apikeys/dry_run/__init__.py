"""What restrictions would have done to stored requests, and would do to one. Nothing is changed or counted."""
