"""Measurements of one patient over their exams."""
