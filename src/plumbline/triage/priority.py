"""The three priorities and their names in every outside language (design section 4, Priority)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Priority(StrEnum):
    """How long an exam may wait to be read."""

    STAT = "STAT"
    URGENT = "URGENT"
    ROUTINE = "ROUTINE"

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return _ORDER.index(self)

    @property
    def ups(self) -> str:
        """Scheduled Procedure Step Priority (0074,1200)."""
        return {"STAT": "HIGH", "URGENT": "MEDIUM", "ROUTINE": "LOW"}[self.value]

    @property
    def modality_worklist(self) -> str:
        """Requested Procedure Priority (0040,1003)."""
        return {"STAT": "STAT", "URGENT": "HIGH", "ROUTINE": "ROUTINE"}[self.value]

    @property
    def hl7(self) -> str:
        """TQ1-9 and OBR-27.6."""
        return {"STAT": "S", "URGENT": "A", "ROUTINE": "R"}[self.value]

    @property
    def fhir(self) -> str:
        """FHIR request priority."""
        return {"STAT": "stat", "URGENT": "urgent", "ROUTINE": "routine"}[self.value]


_ORDER = [Priority.STAT, Priority.URGENT, Priority.ROUTINE]


@dataclass(frozen=True, slots=True)
class TriageDecision:
    """A priority and the sentences that led to it, most important first."""

    priority: Priority
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """Names of the rules that fired, in the order of ``reasons``."""
    sources: tuple[str, ...] = ()
    """Keys of the clinical literature that they rest on, each once."""
