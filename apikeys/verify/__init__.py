"""Header in, verdict out: the hot path, its lookup, failed keys, the gateway. Writes nothing on the way."""
