"""From results to series: one a measurement of one check at one level, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from plumbline.worklist.results import ExamResult
from services.worklist_api.pages.presentation import check_name, split_unit, words

ABOVE = "_above_mm"
"""Measured against the vertebra above: told in the findings, not drawn twice."""
TOLD_ELSEWHERE = frozenset(
    {("spacer-migration", "posterior_margin_mm"), ("spacer-migration", "baseline_posterior_margin_mm")}
)
"""What another check measures, too, in every exam."""
THRESHOLDS: Mapping[tuple[str, str], str] = {
    ("spacer-migration", "translation_mm"): "migration_mm",
    ("spacer-migration", "subsidence_mm"): "subsidence_mm",
    ("spacer-position", "posterior_margin_mm"): "margin_mm",
    ("spinopelvic-alignment", "pelvic_incidence_minus_lordosis_deg"): "mismatch_deg",
}
"""Clinical threshold (``CheckThresholds``) that a measurement is judged by."""
TWO_SIDED = frozenset({"pelvic_incidence_minus_lordosis_deg"})
"""What is judged by how far it lies from 0 to either side."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. ``against`` is the Study Instance UID of the reference, where there was one."""

    study_instance_uid: str
    on: date
    value: float
    uncertainty: float
    against: str | None = None


@dataclass(frozen=True)
class Series:
    """One measurement over time."""

    check: str
    level: str | None
    key: str
    points: Sequence[Point]
    threshold: float | None = None

    @property
    def title(self) -> str:
        """What was measured, in words."""
        return words(split_unit(self.key)[0])

    @property
    def unit(self) -> str:
        """Its unit."""
        return split_unit(self.key)[1]

    @property
    def limits(self) -> Sequence[float]:
        """The threshold, to both sides of 0 where both are judged."""
        if self.threshold is None:
            return ()
        return (self.threshold, -self.threshold) if self.key in TWO_SIDED else (self.threshold,)

    @property
    def group(self) -> str:
        """Check and level, in words."""
        return f"{check_name(self.check)} {self.level or ''}".strip()


def series_of(results: Iterable[ExamResult], thresholds: Mapping[str, float]) -> list[Series]:
    """Series of all measurements, by check, level and key; exams without a date are left out."""
    found: dict[tuple[str, str | None, str], list[Point]] = {}
    for result in results:
        on = _day(result)
        if on is None:
            continue
        for finding in result.document.get("findings") or []:
            for key, point in _points(result, finding, on):
                found.setdefault((str(finding.get("check")), finding.get("level"), key), []).append(point)
    return [
        Series(check, level, key, sorted(points, key=lambda each: each.on), _threshold(check, key, thresholds))
        for (check, level, key), points in found.items()
    ]


def _points(result: ExamResult, finding: Mapping[str, Any], on: date) -> Iterable[tuple[str, Point]]:
    against = _reference(result, finding.get("reference"))
    for key, measured in (finding.get("measurements") or {}).items():
        if key.endswith(ABOVE) or (str(finding.get("check")), key) in TOLD_ELSEWHERE or not measured:
            continue
        value, uncertainty = measured.get("value"), measured.get("uncertainty_95")
        if value is not None and uncertainty is not None:
            yield key, Point(result.study_instance_uid, on, float(value), float(uncertainty), against)


def _reference(result: ExamResult, role: str | None) -> str | None:
    references = result.document.get("references") or []
    return next((each.get("study_instance_uid") for each in references if role and each.get("role") == role), None)


def _day(result: ExamResult) -> date | None:
    performed = (result.document.get("exam") or {}).get("performed_at")
    try:
        return datetime.fromisoformat(performed).date() if performed else None
    except ValueError:
        return None


def _threshold(check: str, key: str, thresholds: Mapping[str, float]) -> float | None:
    name = THRESHOLDS.get((check, key))
    return thresholds.get(name) if name else None
