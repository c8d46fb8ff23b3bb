"""A sample account for looking around. It calls services, and makes up only the past."""
