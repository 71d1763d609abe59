"""Plumbline compares every postoperative spine exam with the patient's own earlier exams."""

__version__ = "0.1.0"

DEVICE_NAME = "Plumbline"
"""Name under which reports and workitems identify this system (TID 1001, device observer)."""

ALGORITHM_VERSION = "1"
"""Version of the analysis. Part of every derived identifier: raise it when results may change."""
