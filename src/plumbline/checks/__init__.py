"""One module a check, and the Finding."""
