"""Rules of the whole product, for every URL, page and table of every app."""
