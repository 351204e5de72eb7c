"""Jobs that are due: which ones, and running them."""
