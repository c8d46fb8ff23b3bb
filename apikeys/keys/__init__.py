"""Every change of a key, one service each, with its limits, events and emails. Reads no request."""
