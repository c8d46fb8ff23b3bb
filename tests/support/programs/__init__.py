"""Programs that run beside the tests: our server, databases, mail servers and callers."""
