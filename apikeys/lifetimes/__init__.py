"""What time does to a key: its end, the end of a pause, a roll, and what owners are told about them."""
