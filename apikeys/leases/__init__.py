"""The lease: a check may judge the row of a key again for a fifth of a second, and is never stale for it.

The proof is in docs/decisions/0001-the-lease.md.
"""
