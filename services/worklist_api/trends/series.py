"""From results to series: one a measurement of one check at one level, in the order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from plumbline.worklist.results import ExamResult
from services.worklist_api.pages.presentation import check_name, split_unit, words

ABOVE = "_above_mm"
"""Measured against the vertebra above: told in the findings, not drawn twice."""
NOT_DRAWN = frozenset(
    ("spacer-migration", key)
    for key in (
        "posterior_margin_mm",
        "baseline_posterior_margin_mm",
        "disc_height_lost_anterior_mm",
        "disc_height_lost_posterior_mm",
    )
)
"""What another check measures, too, in every exam, and what is told in the findings beside its like."""
AT_BASELINE: Mapping[tuple[str, str], str] = {("spacer-migration", "baseline_disc_height_mm"): "disc_height_mm"}
"""What was measured in the baseline, with the measurement of the follow-up that it is the first value of."""
THRESHOLDS: Mapping[tuple[str, str], str] = {
    ("spacer-migration", "translation_mm"): "migration_mm",
    ("spacer-migration", "subsidence_mm"): "subsidence_mm",
    ("spacer-position", "posterior_margin_mm"): "margin_mm",
    ("spinopelvic-alignment", "pelvic_incidence_minus_lordosis_deg"): "mismatch_deg",
}
"""Clinical threshold (``CheckThresholds``) that a measurement is judged by."""
TWO_SIDED = frozenset({"pelvic_incidence_minus_lordosis_deg"})
"""What is judged by how far it lies from 0 to either side."""

NEVER_BELOW_0 = frozenset({"translation_mm", "rotation_deg", "subsidence_mm", "disc_height_mm"})
"""Sizes: what of their interval lies below 0 cannot be true."""


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
    """One measurement over time; ``implant`` tells implants of one level apart where there are several."""

    check: str
    level: str | None
    key: str
    points: Sequence[Point]
    threshold: float | None = None
    implant: str | None = None

    @property
    def title(self) -> str:
        """What was measured, in words."""
        return words(split_unit(self.key)[0])

    @property
    def unit(self) -> str:
        """Its unit."""
        return split_unit(self.key)[1]

    def interval(self, point: Point) -> tuple[float, float]:
        """Lower and upper end of a value's 95 % interval, without what cannot be."""
        low, high = point.value - point.uncertainty, point.value + point.uncertainty
        return (max(low, 0.0) if self.key in NEVER_BELOW_0 else low), high

    @property
    def limits(self) -> Sequence[float]:
        """The threshold, to both sides of 0 where both are judged."""
        if self.threshold is None:
            return ()
        return (self.threshold, -self.threshold) if self.key in TWO_SIDED else (self.threshold,)

    @property
    def group(self) -> str:
        """Check and level, in words."""
        return " ".join(filter(None, (check_name(self.check), self.level, self.implant)))


def series_of(results: Iterable[ExamResult], thresholds: Mapping[str, float]) -> list[Series]:
    """Series of all measurements, by check, level, implant and key; exams without a date are left out."""
    dated = sorted(((on, each) for each in results if (on := _day(each))), key=lambda pair: pair[0])
    days = {each.study_instance_uid: on for on, each in dated}
    found: dict[tuple[str, str | None, int, str], dict[str, Point]] = {}
    for _, result in dated:
        for check, level, place, finding in _places(result):
            for key, point in _points(result, finding, days):
                found.setdefault((check, level, place, key), {}).setdefault(point.study_instance_uid, point)
    several = {(check, level) for check, level, place, _ in found if place > 0}
    return [
        Series(
            check,
            level,
            key,
            sorted(points.values(), key=lambda each: each.on),
            _threshold(check, key, thresholds),
            f"implant {place + 1}" if (check, level) in several else None,
        )
        for (check, level, place, key), points in found.items()
    ]


def _places(result: ExamResult) -> Iterable[tuple[str, str | None, int, Mapping[str, Any]]]:
    """Every finding with its check and level, and its place among those of that check at that level: left to right."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for finding in result.document.get("findings") or []:
        subject = str(finding.get("check")), finding.get("level")
        yield *subject, counted[subject], finding
        counted[subject] += 1


def _points(result: ExamResult, finding: Mapping[str, Any], days: Mapping[str, date]) -> Iterable[tuple[str, Point]]:
    check, exam = str(finding.get("check")), result.study_instance_uid
    against = _reference(result, finding.get("reference"))
    for key, measured in (finding.get("measurements") or {}).items():
        first = AT_BASELINE.get((check, key))
        shown = against if first else exam
        if key.endswith(ABOVE) or (check, key) in NOT_DRAWN or not measured or shown is None or shown not in days:
            continue
        value, uncertainty = measured.get("value"), measured.get("uncertainty_95")
        if value is not None and uncertainty is not None:
            yield first or key, Point(shown, days[shown], float(value), float(uncertainty), against)


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
