"""What a backup holds: the database and the uploaded files, never the secrets."""
