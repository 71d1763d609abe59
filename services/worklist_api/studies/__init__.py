"""Completeness of studies, for operators: where each stands, and a person's word that one is complete."""
