"""The operator page: what flows, what waits, what failed, and to have it done again."""
