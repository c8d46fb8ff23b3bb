"""Measures Latchkey beside its peers, on the same machine in the same minutes. `make bench` runs it."""
