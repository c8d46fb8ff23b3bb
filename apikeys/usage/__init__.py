"""Usage: counting requests in memory, writing and folding the counts, and the figures. It never slows the check."""
