"""The pages and buttons of what lifetimes does: pauses that end, and rolls."""
