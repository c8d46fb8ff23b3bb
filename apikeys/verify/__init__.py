"""Header in, verdict out: the hot path, its lookup, failed keys, the gateway. It writes nothing to the database on the
way.
"""
