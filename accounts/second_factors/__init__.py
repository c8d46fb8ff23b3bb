"""Second factors: their secrets at rest, and codes that let in once."""
