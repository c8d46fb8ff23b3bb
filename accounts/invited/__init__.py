"""People who were invited: which invitation a browser has opened, and what that proves about their account."""
