"""The pages and buttons of what time does to keys: ends, timed pauses, rolls."""
