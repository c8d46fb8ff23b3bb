"""A project's files: storing and deleting them, the API calls, and bytes that no file owns."""
