"""The processes that serve: how they are started and ended."""
