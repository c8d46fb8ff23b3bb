"""What a key may do, on pages: the fields in which people choose it, and the words in which pages say it."""
