"""Single sign-on with the operator's OpenID Connect provider: what is asked of it, what is believed, who gets in."""
