"""What Latchkey is timed beside: each as its own documentation sets it up, nothing more in its way."""
