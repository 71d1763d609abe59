"""Processes with a network face."""
