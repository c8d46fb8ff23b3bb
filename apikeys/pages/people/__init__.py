"""Pages about the people of a project and its keys: handing a key over, and removing a member."""
