"""What the database and the file store hold, and what the database was asked."""
