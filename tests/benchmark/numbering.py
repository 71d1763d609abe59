"""Names of the detector's imperfect points of real spines, against their truth.

Needs ``../shared/data/spine-keypoints``. The spines are cut into folds by their case; each fold is named with
figures learned on the others, so every spine is held out once. Prints tables for people and writes the same
figures to ``build/figures/numbering.json``. One core, about a minute.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.anatomy.key_points import KeyPointSpine, read_key_points
from plumbline.anatomy.labelling import NumberingSettings, number_spine
from plumbline.anatomy.learn_numbering import learn, match_detections
from plumbline.anatomy.numbering import NOT_A_VERTEBRA, Numbering
from plumbline.anatomy.numbering_statistics import CHAIN, NumberingStatistics
from plumbline.anatomy.spine_evidence import SpineEvidence
from plumbline.demo.figures import write_figures

KEY_POINTS = Path(__file__).parents[2].parent / "shared/data/spine-keypoints/spines.jsonl.gz"
FOLDS = 5
FOUND_WITHIN_MM = 20.0
"""A vertebra is identified when a body of its name lies this near, the usual measure of such challenges."""
THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99)


@dataclass(frozen=True)
class NamedSpine:
    """What became of one spine.

    Parameters
    ----------
    carries_truth
        Whether one of the labellings that are carried is right in whole.
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
    carries_truth: bool
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
        carries_truth=any(
            all(each.names[found] == spine.names[true] for true, found in pairs) for each in numbering.labellings
        ),
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


@dataclass(frozen=True)
class Point:
    """The trade-off at one threshold: how many spines are named without doubt, and how many of those wrongly."""

    sure_from: float
    undeclared: int
    wrong_undeclared: int


def trade_off(named: Sequence[NamedSpine]) -> list[Point]:
    """What would happen with other thresholds."""
    points = []
    for threshold in THRESHOLDS:
        sure = [each for each in named if each.confidence >= threshold]
        points.append(Point(threshold, len(sure), sum(each.wrong > 0 for each in sure)))
    return points


def figures_of(named: Sequence[NamedSpine]) -> dict[str, float]:
    """The figures of the contract; shares are of spines, the identification rate of vertebrae."""
    six = [each for each in named if each.has_six_lumbar]
    sure = [each for each in named if not each.is_declared]
    wrong = [each for each in sure if each.wrong]
    return {
        "spines": len(named),
        "identification_rate": sum(each.identified for each in named) / sum(each.vertebrae for each in named),
        "named_undeclared": len(sure) / len(named),
        "wrong_level_undeclared": len(wrong) / len(named),
        "wrong_of_undeclared": len(wrong) / max(len(sure), 1),
        "wrong_level_undeclared_spines": len(wrong),
        "l6_spines": len(six),
        "truth_carried": sum(each.carries_truth for each in named) / len(named),
        "l6_truth_carried": sum(each.carries_truth for each in six) / max(len(six), 1),
        "l6_answered": sum(each.answers_six_lumbar for each in six) / max(len(six), 1),
        "l6_declared": sum(each.answers_six_lumbar or each.is_declared for each in six) / max(len(six), 1),
    }


def measure(path: Path = KEY_POINTS) -> tuple[dict[str, float], list[Point]]:
    """Name every spine of the set, each held out once: figures and trade-off.

    Raises
    ------
    InvalidInput
        When the key points are not there.
    """
    spines = read_key_points(path)
    named = name_held_out(spines)
    vertebrae = sum(len(spine.truth) for spine in spines)
    figures = figures_of(named)
    # A spine in which nothing was detected is not named, but its vertebrae count.
    figures["identification_rate"] = sum(each.identified for each in named) / vertebrae
    return figures, trade_off(named)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Print and write the figures."""
    if not KEY_POINTS.exists():
        _say("../shared/data/spine-keypoints is not there; nothing was measured.")
        return 0
    started = time.perf_counter()
    figures, points = measure()
    for key, value in figures.items():
        _say(f"{key:32} {value:.4g}")
    _say("\nsure from   named without doubt   of these wrong")
    for point in points:
        _say(f"{point.sure_from:9.3f} {point.undeclared:14d} {point.wrong_undeclared:20d}")
    _say(f"{time.perf_counter() - started:.0f} s")
    write_figures("numbering", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
