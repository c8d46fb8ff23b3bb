"""Sign-up and sign-in, the confirmation of a person's identity, passwords, and emails with codes."""
