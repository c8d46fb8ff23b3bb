"""Second factors: their secrets in the database, and codes that work once."""
