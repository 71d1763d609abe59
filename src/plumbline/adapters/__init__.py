"""One folder an outside thing."""
