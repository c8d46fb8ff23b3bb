"""Django's backend for PostgreSQL with time limits, also behind a pooler."""
