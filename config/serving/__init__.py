"""The processes that serve: starting and ending them, what has to be there first, and their health."""
