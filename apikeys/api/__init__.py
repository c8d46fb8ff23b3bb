"""JSON calls: /verify, /me, and reports of leaked secrets. Holds no rules."""
