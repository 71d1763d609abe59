"""Spinopelvic parameters from points on one lateral radiograph: angles, so that magnification does not matter.

Points are millimetres on the detector, (to the right, downwards). Which way the patient faces is read from the
endplates themselves. Uncertainty comes from how well a point can be placed, carried through each angle. Points that
cannot be those of one upright spine are refused: a wrong name must not become a wrong angle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, degrees, hypot, sqrt

from plumbline.anatomy.landmarks import (
    LEFT_HIP,
    LUMBAR_TOP,
    RIGHT_HIP,
    SACRUM,
    THORACIC_BOTTOM,
    THORACIC_TOP,
)
from plumbline.errors import InvalidInput

Point = tuple[float, float]
LEAST_LENGTH_MM = 10.0
"""Points of one line that lie nearer than this are not two ends of an endplate, nor hip and sacrum."""

LEAST_INCIDENCE_DEG, LARGEST_INCIDENCE_DEG = 10.0, 120.0
"""Pelves of adults lie well within; anterior and posterior exchanged on the sacrum make the angle negative."""

_DOWNWARDS = (THORACIC_TOP, THORACIC_BOTTOM, LUMBAR_TOP, SACRUM)


@dataclass(frozen=True, slots=True)
class Angle:
    """An angle and the half-width of its 95 % interval, degrees."""

    value: float
    uncertainty_95: float


@dataclass(frozen=True)
class Alignment:
    """What could be measured, by name, and what could not, with what is wanting."""

    angles: Mapping[str, Angle]
    wanting: Mapping[str, str]


def spinopelvic_alignment(points_mm: Mapping[str, Point], placement_mm: float) -> Alignment:
    """Measure sacral slope, pelvic tilt and incidence, lordosis L1 to S1, kyphosis T4 to T12, and their mismatch.

    Parameters
    ----------
    points_mm
        Landmarks by name.
    placement_mm
        Half-width of the 95 % interval within which a point is placed, along each axis.

    Raises
    ------
    InvalidInput
        When landmarks contradict each other: two on one spot, endplates that face different ways or lie in the
        wrong order from head to foot, a pelvis that nobody has.
    """
    _refuse_wrong_order(points_mm)
    tilts = _tilts(points_mm, placement_mm)
    tilt = _pelvic_tilt(points_mm, placement_mm)
    sacrum, lumbar = tilts.get(SACRUM), tilts.get(LUMBAR_TOP)
    thoracic = tilts.get(THORACIC_TOP), tilts.get(THORACIC_BOTTOM)
    found = {
        "sacral_slope": sacrum,
        "pelvic_tilt": tilt,
        "pelvic_incidence": _plausible(_sum(tilt, sacrum)),
        "lumbar_lordosis": _sum(sacrum, lumbar, sign=-1),
        "thoracic_kyphosis": _sum(*thoracic, sign=-1),
        # Incidence minus lordosis: the sacral slope, and with it its uncertainty, is in both.
        "pelvic_incidence_minus_lordosis": _sum(tilt, lumbar) if sacrum else None,
    }
    return Alignment({name: angle for name, angle in found.items() if angle}, _wanting(points_mm))


def _tilts(points_mm: Mapping[str, Point], placement_mm: float) -> dict[str, Angle]:
    """By how much the anterior end of each endplate lies below its posterior end."""
    ends = _endplates(points_mm)
    lengths = {name: _length(name, *pair) for name, pair in ends.items()}
    facing = {name: _facing(*pair) for name, pair in ends.items()}
    if len(set(facing.values())) > 1:
        raise InvalidInput(
            f"the anterior ends of {' and '.join(facing)} lie on different sides",
            remedy="One of them may have anterior and posterior exchanged",
        )
    return {
        name: Angle(
            degrees(atan2(anterior[1] - posterior[1], (anterior[0] - posterior[0]) * facing[name])),
            degrees(sqrt(2) * placement_mm / lengths[name]),
        )
        for name, (anterior, posterior) in ends.items()
    }


def _refuse_wrong_order(points_mm: Mapping[str, Point]) -> None:
    """Refuse a spine that does not run from the upper part of the picture to the lower, in the order of its bodies."""
    middles = {name: _middle(ends) for name, ends in _endplates(points_mm).items()}
    if SACRUM in middles and (hips := _hips(points_mm)):
        middles["the femoral heads"] = _middle(hips)
    for (upper, (_, above)), (lower, (_, below)) in pairwise(middles.items()):
        if above >= below:
            raise InvalidInput(
                f"{upper} lies below {lower}",
                remedy="One of them may have the wrong name, or the picture does not stand upright",
            )
    spine = [middles[name] for name in _DOWNWARDS if name in middles]
    if len(spine) > 1 and abs(spine[-1][0] - spine[0][0]) > spine[-1][1] - spine[0][1]:
        raise InvalidInput("the spine lies across the picture", remedy="Turn the image upright where it is made")


def _plausible(incidence: Angle | None) -> Angle | None:
    if incidence and not LEAST_INCIDENCE_DEG <= incidence.value <= LARGEST_INCIDENCE_DEG:
        raise InvalidInput(
            f"a pelvic incidence of {incidence.value:.0f}° is that of no pelvis",
            remedy=f"The ends of {SACRUM} may be exchanged, or a femoral head be set elsewhere",
        )
    return incidence


def _endplates(points_mm: Mapping[str, Point]) -> dict[str, tuple[Point, Point]]:
    """Anterior and posterior end of each endplate that is whole, from head to foot."""
    return {name: ends for name in _DOWNWARDS if (ends := _ends(name, points_mm))}


def _hips(points_mm: Mapping[str, Point]) -> list[Point]:
    return [points_mm[name] for name in (LEFT_HIP, RIGHT_HIP) if name in points_mm]


def _ends(endplate: str, points_mm: Mapping[str, Point]) -> tuple[Point, Point] | None:
    anterior, posterior = points_mm.get(f"{endplate} anterior"), points_mm.get(f"{endplate} posterior")
    return (anterior, posterior) if anterior and posterior else None


def _facing(anterior: Point, posterior: Point) -> int:
    """1 where the patient faces to the right of the picture, -1 to the left."""
    return 1 if anterior[0] > posterior[0] else -1


def _length(what: str, one: Point, other: Point) -> float:
    length = hypot(one[0] - other[0], one[1] - other[1])
    if length < LEAST_LENGTH_MM:
        raise InvalidInput(f"the points of {what} lie {length:.0f} mm from each other", remedy="Set one of them again")
    return length


def _pelvic_tilt(points_mm: Mapping[str, Point], placement_mm: float) -> Angle | None:
    """By how much the middle of the sacral endplate lies behind the axis of the hips, seen from there."""
    sacrum = _ends(SACRUM, points_mm)
    hips = _hips(points_mm)
    if not sacrum or not hips:
        return None
    middle, axis = _middle(sacrum), _middle(hips)
    behind = -(middle[0] - axis[0]) * _facing(*sacrum)
    placed_mm = placement_mm * sqrt(1 / len(sacrum) + 1 / len(hips))
    length = _length("hips and sacrum", middle, axis)
    return Angle(degrees(atan2(behind, axis[1] - middle[1])), degrees(placed_mm / length))


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _sum(one: Angle | None, other: Angle | None, *, sign: int = 1) -> Angle | None:
    if one is None or other is None:
        return None
    return Angle(one.value + sign * other.value, hypot(one.uncertainty_95, other.uncertainty_95))


def _wanting(points_mm: Mapping[str, Point]) -> dict[str, str]:
    """What cannot be measured, in words, with the landmarks that it would take."""
    has_sacrum, has_lumbar = _ends(SACRUM, points_mm), _ends(LUMBAR_TOP, points_mm)
    has_hip = LEFT_HIP in points_mm or RIGHT_HIP in points_mm
    has_thorax = _ends(THORACIC_TOP, points_mm) and _ends(THORACIC_BOTTOM, points_mm)
    missing = {SACRUM: has_sacrum, LUMBAR_TOP: has_lumbar, "a femoral head": has_hip}
    needed = {
        "sacral slope": (SACRUM,),
        "pelvic tilt and incidence": (SACRUM, "a femoral head"),
        "lumbar lordosis": (SACRUM, LUMBAR_TOP),
        "incidence minus lordosis": (SACRUM, LUMBAR_TOP, "a femoral head"),
    }
    told = {
        what: ", ".join(name for name in names if not missing[name])
        for what, names in needed.items()
        if any(not missing[name] for name in names)
    }
    return told if has_thorax else {**told, "thoracic kyphosis": f"{THORACIC_TOP}, {THORACIC_BOTTOM}"}
