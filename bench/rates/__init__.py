"""Checks per second: beside the peers, with many keys, with a lease, behind nginx."""
