"""The audit log of a project: kinds of events, how an event is recorded, who gets an email, and the Activity page."""
