"""Every change of a key, one service each, with its limits, events and emails. It reads no request."""
