"""Work that is due now and then, without a request: which process does it, and when. The apps own the work itself."""
