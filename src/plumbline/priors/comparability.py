"""Can two exams be compared, and how well? Hard conditions with their sentences, and a score from named parts.

"Same conditions" (B26): modality, region, projection and position have to agree before a difference is
believed. A pair that does not agree is not comparable, with the reason; it is never silently measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.exams.history import Operation
from plumbline.exams.recognition import ExamKind, Recognition
from plumbline.exams.series_roles import RADIOGRAPH_MODALITIES
from plumbline.priors.choice import Candidate, PriorPolicy

_TIME_SCALE_DAYS = 90.0
"""Days after which the time part of a score has halved: about one interval of follow-up."""
_UNKNOWN = 0.5
"""Value of a part that the headers do not tell."""


@dataclass(frozen=True, slots=True)
class Comparability:
    """Reasons against a comparison (none: comparable), and the parts of the score, each 0 to 1."""

    objections: tuple[str, ...]
    parts: dict[str, float]

    @property
    def is_comparable(self) -> bool:
        """True where nothing speaks against it."""
        return not self.objections


def compare_conditions(
    current: Recognition,
    candidate: Candidate,
    operation: Operation | None,
    days_away: int,
    policy: PriorPolicy,
) -> Comparability:
    """Judge one candidate; ``days_away`` is its distance in time from what its score should be near to."""
    other = candidate.recognition
    parts = {
        "modality": float(_same_modality(current, other)),
        "region": _region_part(current.regions, other.regions),
        "levels": _level_part(operation, other),
        "view": _view_part(current, other),
        "time": 1.0 / (1.0 + abs(days_away) / _TIME_SCALE_DAYS),
        "geometry": _geometry_part(current.slice_thickness_mm, other.slice_thickness_mm),
        "quality": _quality_part(other),
    }
    return Comparability(tuple(_objections(current, candidate, policy)), parts)


def score(parts: dict[str, float], policy: PriorPolicy) -> float:
    """Weighted mean of the parts, 0 to 1."""
    weights = {name: getattr(policy.weights, name) for name in parts}
    total = sum(weights.values())
    return sum(value * weights[name] for name, value in parts.items()) / total if total else 0.0


def _objections(current: Recognition, candidate: Candidate, policy: PriorPolicy) -> Iterator[str]:
    other = candidate.recognition
    if candidate.unreadable:
        yield f"It cannot be compared: {candidate.unreadable}."
    if other.kind is ExamKind.OTHER:
        yield "It is not a spine exam."
    if not _same_modality(current, other):
        yield f"It is {other.modality or 'of unknown modality'}, the current exam is {current.modality or 'unknown'}."
    if current.regions and other.regions and not set(current.regions) & set(other.regions):
        yield "It shows another region of the spine."
    yield from _view_objections(current, other, policy)
    thickness = other.slice_thickness_mm
    if thickness is not None and thickness > policy.maximum_slice_mm:
        limit = f"at most {policy.maximum_slice_mm:.1f} mm"
        yield f"Its slices of {thickness:.1f} mm are too thick to compare with ({limit})."
    if other.series and not other.measurable_series:
        yield f"None of its series can be measured: {_first_lower(other.series[0].reason)}"
    if candidate.is_partial and (not policy.allows_partial or candidate.held_instances == 0):
        yield partial_sentence(candidate)


def partial_sentence(candidate: Candidate) -> str:
    """That fewer instances are held than the archive lists, or that this cannot be known."""
    if candidate.uncounted_by is not None and not _lacks_instances(candidate):
        return (
            f"It may not be whole: the archive {candidate.uncounted_by} has it, too, and does not say how much of it."
        )
    held = f"Only {candidate.held_instances}" if candidate.held_instances else "None"
    why = f" ({candidate.shortfall})" if candidate.shortfall else ""
    return f"{held} of the archive's {candidate.archive_instances} instances are held{why}."


def _lacks_instances(candidate: Candidate) -> bool:
    held, listed = candidate.held_instances, candidate.archive_instances
    return held is not None and listed is not None and held < listed


def _same_modality(current: Recognition, other: Recognition) -> bool:
    if current.modality is None or other.modality is None:
        return False
    both_radiographs = {current.modality, other.modality} <= RADIOGRAPH_MODALITIES
    return both_radiographs or current.modality == other.modality


def _view_objections(current: Recognition, other: Recognition, policy: PriorPolicy) -> Iterator[str]:
    if current.modality not in RADIOGRAPH_MODALITIES or other.modality not in RADIOGRAPH_MODALITIES:
        return
    projections = {projection for projection, _ in other.views if projection}
    if current.projection and projections and current.projection not in projections:
        yield f"It has no {current.projection} projection, only {' and '.join(sorted(projections))}."
        return
    positions = _positions(other, current.projection)
    if policy.must_agree_on_position and current.position and positions and current.position not in positions:
        yield f"The patient's position differs: {' and '.join(sorted(positions))}, now {current.position}."


def _positions(recognition: Recognition, projection: str | None) -> set[str]:
    return {
        position
        for own_projection, position in recognition.views
        if position and (projection is None or own_projection in (projection, None))
    }


def _region_part(current: tuple[str, ...], other: tuple[str, ...]) -> float:
    if not current or not other:
        return _UNKNOWN
    return len(set(current) & set(other)) / len(set(current))


def _level_part(operation: Operation | None, other: Recognition) -> float:
    """Share of the operated levels that the exam shows."""
    if operation is None or not operation.levels or not other.levels_in_view:
        return _UNKNOWN
    shown = set(other.levels_in_view)
    covered = [level for level in operation.levels if {level.above.name, level.below.name} <= shown]
    return len(covered) / len(operation.levels)


def _view_part(current: Recognition, other: Recognition) -> float:
    if current.modality not in RADIOGRAPH_MODALITIES:
        return 1.0 if current.position is None or other.position in (None, current.position) else _UNKNOWN
    agreed = [
        (projection == current.projection) + (position == current.position)
        for projection, position in other.views
        if projection is not None or position is not None
    ]
    return max(agreed) / 2 if agreed else _UNKNOWN


def _geometry_part(current_mm: float | None, other_mm: float | None) -> float:
    """Ratio of the slice distances, the thicker in the denominator."""
    if not current_mm or not other_mm:
        return _UNKNOWN
    return min(current_mm, other_mm) / max(current_mm, other_mm)


def _quality_part(other: Recognition) -> float:
    best = max((role.preference for role in other.series if role.measurable), default=None)
    return _UNKNOWN if best is None else min(best, 1.0)


def _first_lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
