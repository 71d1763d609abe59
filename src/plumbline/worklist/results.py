"""What the worklist shows of a finished comparison: the port that pages and JSON read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ExamResult:
    """Result document of one revision of an exam (design section 4, JSON)."""

    study_instance_uid: str
    revision: int
    document: Mapping[str, Any]
    created_at: datetime


class ExamResults(Protocol):
    """Finished comparisons."""

    def newest(self, study_instance_uid: str) -> ExamResult:
        """Result of the newest revision that has one; raise ``InvalidInput`` where there is none yet."""
        ...

    def newest_of(self, study_instance_uids: Sequence[str]) -> Mapping[str, ExamResult]:
        """Newest results of several exams, by Study Instance UID; exams without one are left out."""
        ...

    def captions(self, result: ExamResult) -> Sequence[str]:
        """Captions of its evidence pictures, in order."""
        ...

    def picture(self, result: ExamResult, ordinal: int) -> bytes:
        """PNG of an evidence picture, counted from 1; raise ``InvalidInput`` where there is none."""
        ...
