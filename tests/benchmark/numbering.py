"""``make bench-numbering``: names of the detector's imperfect points of real spines, against their truth.

Needs ``../shared/data/spine-keypoints``. The spines are cut into folds by their case; each fold is named with
figures learned on the others, so every spine is held out once. Prints tables for people and writes the same
figures to ``build/figures/numbering.json``. One core, about a minute.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.anatomy.key_points import KeyPointSpine
from plumbline.anatomy.labelling import NumberingSettings, number_spine
from plumbline.anatomy.learn_numbering import learn, match_detections
from plumbline.anatomy.numbering import NOT_A_VERTEBRA, Numbering
from plumbline.anatomy.numbering_statistics import CHAIN, NumberingStatistics
from plumbline.anatomy.spine_evidence import SpineEvidence

KEY_POINTS = Path(__file__).parents[2].parent / "shared/data/spine-keypoints/spines.jsonl.gz"
FOLDS = 5
FOUND_WITHIN_MM = 20.0
"""A vertebra is identified when a body of its name lies this near, the usual measure of such challenges."""
THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class NamedSpine:
    """What became of one spine.

    Parameters
    ----------
    vertebrae, identified
        True vertebrae, and how many of them a body of their name lies at.
    wrong
        Bodies that are true vertebrae under another name, or named beyond the true last lumbar one.
    bodies
        Detected bodies.
    """

    case: str
    has_six_lumbar: bool
    answers_six_lumbar: bool
    vertebrae: int
    identified: int
    wrong: int
    bodies: int
    confidence: float
    conflict: str | None

    @property
    def is_declared(self) -> bool:
        """Whether a doubt is declared."""
        return self.conflict is not None


def folds_of(spines: Sequence[KeyPointSpine], count: int = FOLDS) -> Iterator[tuple[list[KeyPointSpine], ...]]:
    """(training part, held-out part), by a checksum of the case."""
    fold = [zlib.crc32(spine.case.encode()) % count for spine in spines]
    for held_out in range(count):
        yield (
            [spine for spine, own in zip(spines, fold, strict=True) if own != held_out],
            [spine for spine, own in zip(spines, fold, strict=True) if own == held_out],
        )


def name_held_out(spines: Sequence[KeyPointSpine], settings: NumberingSettings | None = None) -> list[NamedSpine]:
    """Name the detections of every spine with figures that were learned without it."""
    named: list[NamedSpine] = []
    for training, held_out in folds_of(spines):
        statistics = learn(training)
        named += [name_one(spine, statistics, settings) for spine in held_out if spine.detected]
    return named


def name_one(
    spine: KeyPointSpine, statistics: NumberingStatistics, settings: NumberingSettings | None = None
) -> NamedSpine:
    """Name the detections of one spine and compare them with its truth."""
    evidence = SpineEvidence(spine.detected, sacrum_below=statistics.ends_at_sacrum)
    return score(spine, number_spine(evidence, settings, statistics))


def score(spine: KeyPointSpine, numbering: Numbering) -> NamedSpine:
    """Compare names with the truth."""
    assert numbering.best is not None
    names = numbering.best.names
    at = {name: body.centre_lps_mm for name, body in zip(names, spine.detected, strict=True)}
    identified = sum(
        name in at and float(np.linalg.norm(at[name] - body.centre_lps_mm)) <= FOUND_WITHIN_MM
        for name, body in zip(spine.names, spine.truth, strict=True)
    )
    pairs = match_detections(spine).pairs
    wrong = sum(names[found] != spine.names[true] for true, found in pairs)
    return NamedSpine(
        case=spine.case,
        has_six_lumbar="L6" in spine.names,
        answers_six_lumbar="L6" in names,
        vertebrae=len(spine.names),
        identified=identified,
        wrong=wrong + _named_too_low(spine, names, {found for _, found in pairs}),
        bodies=len(names),
        confidence=numbering.confidence,
        conflict=numbering.conflict,
    )


def _named_too_low(spine: KeyPointSpine, names: tuple[str, ...], matched: set[int]) -> int:
    """Bodies that are no true vertebra and got a lumbar name below the true last one of a complete lumbar spine."""
    if spine.names[-1] not in ("L5", "L6"):
        return 0
    last = CHAIN.index(spine.names[-1])
    return sum(
        index not in matched and name not in (NOT_A_VERTEBRA, "S1") and CHAIN.index(name) > last
        for index, name in enumerate(names)
    )
