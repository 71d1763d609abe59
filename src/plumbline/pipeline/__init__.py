"""The path of one exam, one module a step; ports.py names what it needs from outside."""
