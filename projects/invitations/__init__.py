"""Invitations: an email address and a role in a project, until the person accepts."""
