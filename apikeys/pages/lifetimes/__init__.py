"""The pages and buttons of what lifetimes does: ends of keys, and pauses that end."""
