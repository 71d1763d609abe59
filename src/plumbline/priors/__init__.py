"""Candidates, roles, comparability and the explained choice of a reference. Pure."""
