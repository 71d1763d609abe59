"""The rules page: what is loaded, and what it would say of a past exam."""
