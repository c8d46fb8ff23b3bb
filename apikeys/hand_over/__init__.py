"""Handing a key over: another person becomes responsible for it, and agrees to that."""
