"""Spines drawn as the statistics say spines are, with known names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plumbline.anatomy.numbering_statistics import NumberingStatistics, numbering_statistics
from plumbline.anatomy.spine_chain import Prevalence, Variant, variants_of
from plumbline.anatomy.spine_evidence import BodyEvidence


def variant_with(thoracic: int, lumbar: int) -> Variant:
    """The way to count with so many vertebrae."""
    for each in variants_of(Prevalence()):
        counts = [sum(name[0] == region for name in each.names) for region in "TL"]
        if counts == [thoracic, lumbar]:
            return each
    raise AssertionError("there is no such variant")


def draw(
    first: str,
    last: str,
    variant: Variant,
    rng: np.random.Generator,
    *,
    regions: bool = True,
    statistics: NumberingStatistics | None = None,
) -> tuple[tuple[str, ...], tuple[BodyEvidence, ...]]:
    """Names and bodies from ``first`` to ``last``: spacing and lean of a person, regions as a detector scores them."""
    statistics = statistics or numbering_statistics()
    names = variant.names[variant.names.index(first) : variant.names.index(last) + 1]
    size, posture = rng.normal(0, statistics.size_sd), rng.normal(0, statistics.posture_sd_deg)
    centre = np.array([0.0, 0.0, 500.0])
    bodies = []
    for index, name in enumerate(names):
        if index:
            step = statistics.steps[_step(variant, name)]
            distance = np.exp(rng.normal(step.log_distance, 0.7 * step.log_distance_sd) + size)
            lean = np.radians(rng.normal(step.lean_deg, 0.7 * step.lean_sd_deg) + posture)
            centre = centre - distance * np.array([0.0, np.sin(lean), np.cos(lean)])
        bodies.append(BodyEvidence(centre, region=_scores(name) if regions else None))
    return names, tuple(bodies)


def _step(variant: Variant, lower: str) -> tuple[str, str]:
    place = variant.place[lower]
    return next(pair for pair in numbering_statistics().steps if pair[1] == place)


def _scores(name: str) -> tuple[float, float, float]:
    """What a sure detector says."""
    if name == "S1":
        return (0.03, 0.03, 0.6)
    near = {"C7": (0.98, 0.026, 0.02), "T1": (0.06, 0.99, 0.03), "L1": (0.02, 0.04, 0.99), "T12": (0.03, 0.98, 0.045)}
    sure = {"C": (0.98, 0.02, 0.02), "T": (0.03, 0.99, 0.03), "L": (0.02, 0.017, 0.99)}
    return near.get("T12" if name == "T13" else name, sure[name[0]])


def without_regions(bodies: tuple[BodyEvidence, ...]) -> tuple[BodyEvidence, ...]:
    """The same bodies, about which no detector said anything."""
    return tuple(replace(each, region=None) for each in bodies)
