"""The members of a project: the only ways in which they come, change and go, and the Members page."""
