"""Learn ``numbering_statistics.json`` from labelled key points: ``python -m plumbline.anatomy.learn_numbering PATH``.

Keeps aggregate figures only. The first sacral vertebra is not in the source: its figures come from what a
detector found just below a last lumbar vertebra.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.key_points import KeyPointSpine, read_key_points
from plumbline.anatomy.labelling import log_likelihood_per_body
from plumbline.anatomy.numbering_statistics import (
    CHAIN,
    REGION_CATEGORIES,
    USUAL,
    NumberingStatistics,
    StepFigures,
    region_category,
    step_between,
)
from plumbline.anatomy.spine_evidence import BodyEvidence, SpineEvidence
from plumbline.errors import InvalidInput

SOURCE = "ImFusion VID data set (key points of spines in VerSe, CT Colonography and Pancreas-CT), CC BY-SA 4.0"
LEAST_SPINES = 100
MATCH_MM = 12.0
SACRUM_BELOW_MM = (24.0, 48.0)
SURE_REGION = 0.96
"""A body below the last annotated one of which the detector is this sure is one more vertebra, not the sacrum."""
UNUSUAL_QUANTILE = 0.005
_FITTED_SPINES = 200
_LEAST_STEPS = 8
_PRIOR_COUNT = 0.3
_ANY_WIDTH = (3.5, 0.3)
"""Logarithm of a width in mm and its spread, where none is annotated: says nothing."""
_ALIKE = (
    ("C1", "C2", "C3", "C4", "C5", "C6"),
    tuple(f"T{n}" for n in range(3, 10)),
    ("L4", "L5", "L6"),
    ("T12", "T13"),
)
"""Names that are counted together where they are alike or rare."""


@dataclass(frozen=True, eq=False)
class Match:
    """Which detected body is which true one: (index of the truth, index of the detection) pairs."""

    pairs: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false: tuple[int, ...]


def match_detections(spine: KeyPointSpine, within_mm: float = MATCH_MM) -> Match:
    """Pair each true body with the nearest detection within reach, the closest pairs first."""
    truth, found = _centres(spine.truth), _centres(spine.detected)
    distance = np.linalg.norm(truth[:, None] - found[None], axis=2)
    pairs: list[tuple[int, int]] = []
    order = np.dstack(np.unravel_index(np.argsort(distance, axis=None), distance.shape))[0]
    for t, d in order.tolist():
        if distance[t, d] > within_mm:
            break
        if all(t != a and d != b for a, b in pairs):
            pairs.append((t, d))
    matched_truth, matched_found = {a for a, _ in pairs}, {b for _, b in pairs}
    missed = tuple(i for i in range(len(truth)) if i not in matched_truth)
    return Match(tuple(sorted(pairs)), missed, tuple(i for i in range(len(found)) if i not in matched_found))


def learn(spines: Sequence[KeyPointSpine]) -> NumberingStatistics:
    """Figures of these spines.

    Raises
    ------
    InvalidInput
        When they are too few.
    """
    if len(spines) < LEAST_SPINES:
        raise InvalidInput(f"only {len(spines)} spines; at least {LEAST_SPINES} are needed")
    matches = [match_detections(spine) for spine in spines]
    steps, size_sd, posture_sd = _step_figures(spines, matches)
    inside = [_inside(spine, match) for spine, match in zip(spines, matches, strict=True)]
    statistics = NumberingStatistics(
        steps=steps,
        log_width=_width_figures(spines, matches),
        width_seen=_width_seen(spines, matches),
        region=_region_figures(spines, matches),
        size_sd=size_sd,
        posture_sd_deg=posture_sd,
        missed=_rounded(sum(len(m.missed) for m in matches) / sum(len(s.truth) for s in spines)),
        false=_rounded(sum(inside) / sum(len(s.detected) for s in spines)),
        **_ends(spines, matches),
        usual_log_likelihood=-np.inf,
        spines=len(spines),
        source=SOURCE,
    )
    likelihood = [
        log_likelihood_per_body(SpineEvidence(spine.detected), statistics)
        for spine in spines[:: max(1, len(spines) // _FITTED_SPINES)]
        if len(spine.detected) > 2
    ]
    return replace(statistics, usual_log_likelihood=_rounded(float(np.quantile(likelihood, UNUSUAL_QUANTILE))))


def _centres(bodies: Sequence[BodyEvidence]) -> NDArray[Any]:
    return np.array([body.centre_lps_mm for body in bodies]).reshape(-1, 3)


def _inside(spine: KeyPointSpine, match: Match) -> int:
    """False detections between true ones; beyond them annotation may simply have ended."""
    height = _centres(spine.truth)[:, 2]
    return sum(bool(height.min() < spine.detected[i].centre_lps_mm[2] < height.max()) for i in match.false)


def _sacra(spine: KeyPointSpine, match: Match) -> Iterator[tuple[int, int]]:
    """(index of the last lumbar truth, index of a detection that must be the first sacral vertebra)."""
    if spine.names[-1] not in ("L5", "L6"):
        return
    last = _centres(spine.truth)[-1]
    for index in match.false:
        offset = last - spine.detected[index].centre_lps_mm
        is_doubtful = max(spine.detected[index].region or (0.0,)) < SURE_REGION
        if is_doubtful and offset[2] > 0 and SACRUM_BELOW_MM[0] < np.linalg.norm(offset) < SACRUM_BELOW_MM[1]:
            yield len(spine.truth) - 1, index


def _ends(spines: Sequence[KeyPointSpine], matches: Sequence[Match]) -> dict[str, float]:
    lumbar = [i for i, spine in enumerate(spines) if spine.names[-1][0] == "L"]
    complete = [i for i in lumbar if spines[i].names[-1] in ("L5", "L6")]
    with_sacrum = sum(any(True for _ in _sacra(spines[i], matches[i])) for i in complete)
    return {
        "ends_at_sacrum": _rounded(len(complete) / len(lumbar)),
        "sacrum_found": _rounded(with_sacrum / len(complete)),
    }


def _steps_of(spine: KeyPointSpine, match: Match) -> dict[str, tuple[float, float]]:
    centres = _centres(spine.truth)
    steps = {
        f"{spine.names[i]}-{spine.names[i + 1]}": step_between(centres[i], centres[i + 1])
        for i in range(len(centres) - 1)
    }
    for above, index in _sacra(spine, match):
        steps[f"{spine.names[above]}-S1"] = step_between(centres[above], spine.detected[index].centre_lps_mm)
    return steps


def _step_figures(
    spines: Sequence[KeyPointSpine], matches: Sequence[Match]
) -> tuple[dict[tuple[str, str], StepFigures], float, float]:
    """Figures of every step, and the spread between persons."""
    observed = [_steps_of(spine, match) for spine, match in zip(spines, matches, strict=True)]
    by_step: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for steps in observed:
        for key, values in steps.items():
            by_step[key].append(values)
    means = {key: np.median(values, axis=0) for key, values in by_step.items()}
    person = [
        np.mean([np.array(values) - means[key] for key, values in steps.items()], axis=0) if steps else np.zeros(2)
        for steps in observed
    ]
    rest: dict[str, list[NDArray[Any]]] = defaultdict(list)
    for steps, own in zip(observed, person, strict=True):
        for key, values in steps.items():
            rest[key].append(np.array(values) - means[key] - own)
    figures = {
        key: StepFigures(*(_rounded(v) for v in _step(means[key], _robust_sd(np.array(rest[key])))))
        for key in by_step
        if len(by_step[key]) >= _LEAST_STEPS
    }
    size_sd, posture_sd = _robust_sd(np.array([p for p, steps in zip(person, observed, strict=True) if len(steps) > 3]))
    kept = {(upper, lower): figures[f"{upper}-{lower}"] for upper, lower in pairwise(USUAL)}
    return kept, _rounded(float(size_sd)), _rounded(float(posture_sd))


def _step(mean: NDArray[Any], spread: NDArray[Any]) -> tuple[float, float, float, float]:
    return float(mean[0]), float(spread[0]), float(mean[1]), float(spread[1])


def _width_figures(spines: Sequence[KeyPointSpine], matches: Sequence[Match]) -> dict[str, tuple[float, float]]:
    widths: dict[str, list[float]] = defaultdict(list)
    for spine, match in zip(spines, matches, strict=True):
        named = [
            *zip(spine.names, spine.truth, strict=True),
            *(("S1", spine.detected[d]) for _, d in _sacra(spine, match)),
        ]
        for name, body in named:
            if body.pedicle_width_mm:
                widths[name].append(float(np.log(body.pedicle_width_mm)))
    figures = {
        name: (_rounded(float(np.median(values))), _rounded(float(_robust_sd(np.array(values)[:, None])[0])))
        for name, values in widths.items()
        if len(values) >= _LEAST_STEPS
    }
    return {name: figures.get(name, _ANY_WIDTH) for name in USUAL}


def _width_seen(spines: Sequence[KeyPointSpine], matches: Sequence[Match]) -> dict[str, float]:
    seen: dict[str, list[bool]] = defaultdict(list)
    for spine, match in zip(spines, matches, strict=True):
        for name, index in _named_detections(spine, match):
            seen[name].append(spine.detected[index].pedicle_width_mm is not None)
    return {name: _rounded((sum(seen[name]) + 1) / (len(seen[name]) + 2)) for name in USUAL}


def _named_detections(spine: KeyPointSpine, match: Match) -> list[tuple[str, int]]:
    """(name, index of the detection), the first sacral vertebra among them where it was found."""
    return [*((spine.names[t], d) for t, d in match.pairs), *(("S1", d) for _, d in _sacra(spine, match))]


def _region_figures(spines: Sequence[KeyPointSpine], matches: Sequence[Match]) -> dict[str, tuple[float, ...]]:
    """Per name, how often each category of region scores was seen, a part of one of each added."""
    counts = {name: np.zeros(REGION_CATEGORIES) for name in CHAIN}
    for spine, match in zip(spines, matches, strict=True):
        for name, index in _named_detections(spine, match):
            scores = spine.detected[index].region
            if scores is not None:
                counts[name][region_category(scores)] += 1
    for group in _ALIKE:
        total = np.sum([counts[name] for name in group], axis=0)
        for name in group:
            counts[name] = total
    return {
        name: tuple(_rounded(v) for v in (n + _PRIOR_COUNT) / (n + _PRIOR_COUNT).sum()) for name, n in counts.items()
    }


def _robust_sd(values: NDArray[Any]) -> NDArray[Any]:
    """Spread of each column, with a floor for what is hardly ever seen, from the median absolute deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0) + 1e-3


def _rounded(value: float) -> float:
    return round(float(value), 5)


def main(arguments: list[str]) -> None:
    """Write the figures beside the module that reads them."""
    target = Path(__file__).with_name("numbering_statistics.json")
    statistics = learn(read_key_points(Path(arguments[0])))
    target.write_text(json.dumps(statistics.as_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
