"""What holds under load: no success after a change was answered, bounded memory, a check that no load slows."""
