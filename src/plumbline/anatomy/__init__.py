"""Levels and their names, vertebra frames, numbering and its doubts. Pure."""
