"""Everything that the database and the file store hold, and the statements that the database received."""
