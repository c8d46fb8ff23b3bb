"""A primary PostgreSQL that fails under load, and its standby that takes over."""
