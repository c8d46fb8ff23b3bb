"""What holds for the whole product, whichever app a URL, a page or a table belongs to."""
