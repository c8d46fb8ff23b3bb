"""Calls: counting them in memory, writing and folding the counts, and the figures. Never slows the check."""
