"""A project's files: how one comes and goes, the calls of the API, and bytes that no file owns."""
