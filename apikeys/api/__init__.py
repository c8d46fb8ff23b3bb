"""JSON calls: /verify, /me, and reports of leaked secrets. It holds no rules."""
