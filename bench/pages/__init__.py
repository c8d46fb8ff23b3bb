"""The time of pages: with many keys, with a year of use, beside each other."""
