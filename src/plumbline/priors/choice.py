"""Reference roles and the explained choice: which exam is compared with, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What an earlier exam is to the current one."""

    PREOPERATIVE = "preoperative"
    BASELINE = "baseline"
    PRIOR = "prior"


@dataclass(frozen=True)
class Reference:
    """One considered exam: chosen for a role, or rejected, each with its score and reasons."""

    study_instance_uid: str
    role: Role | None
    """None for a candidate that was not chosen for any role."""
    comparable: bool
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {
            "role": self.role.value if self.role else None,
            "study_instance_uid": self.study_instance_uid,
            "comparable": self.comparable,
            "score": round(self.score, 3),
            "parts": {name: round(value, 3) for name, value in self.parts.items()},
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True)
class ReferenceChoice:
    """All candidates with their fate, and for each role without a valid exam the reason."""

    considered: tuple[Reference, ...]
    missing: Mapping[Role, str] = field(default_factory=dict)

    def chosen(self, role: Role) -> Reference | None:
        """The exam chosen for a role, or None."""
        return next((reference for reference in self.considered if reference.role is role), None)
