"""What a process does beside its requests: threads that end with the process."""
