"""Delivers results to the destinations of the settings."""
