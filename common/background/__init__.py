"""What a process does beside its requests: threads that end with it, and the delivery of emails."""
