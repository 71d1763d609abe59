"""From what was found of a spine to the probability of whole labellings.

A sacrum in view anchors the names; how many lumbar vertebrae a spine has stays a prior, because names
counted from the sacrum and names counted from the head differ in a transitional spine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.anatomy.numbering import Labelling, Numbering

PRESACRAL = tuple(f"T{n}" for n in range(1, 13)) + tuple(f"L{n}" for n in range(1, 6))

LUMBAR_COUNT_PRIOR = {5: 0.955, 6: 0.025, 4: 0.02}
"""How often a spine has so many lumbar vertebrae; 23 of 1,673 spines of the VID key points have six."""

CONFLICT_FROM = 0.15
LEAST_PROBABILITY = 0.01


@dataclass(frozen=True, slots=True)
class SacrumEvidence:
    """For one body, counted from cranial: how probable it is that it is the first sacral vertebra."""

    index: int
    probability: float


def number_from_sacrum(count: int, evidence: Sequence[SacrumEvidence]) -> Numbering:
    """Number ``count`` bodies, cranial to caudal, by which of them is the first sacral one.

    Bodies below it are not named and must not be among the ``count``; ``evidence`` holds the candidates,
    ``index == count`` meaning that the sacrum begins just below the last body.
    """
    total = sum(each.probability for each in evidence)
    if not evidence or total < 0.5:
        return unanchored(count)
    labellings: dict[tuple[str, ...], float] = {}
    for each in evidence:
        for lumbar, prior in LUMBAR_COUNT_PRIOR.items():
            names = names_above_sacrum(count, each.index, lumbar)
            labellings[names] = labellings.get(names, 0.0) + prior * each.probability / max(total, 1.0)
    kept = sorted(((p, names) for names, p in labellings.items() if p >= LEAST_PROBABILITY), reverse=True)
    ranked = tuple(Labelling(names, probability) for probability, names in kept)
    return Numbering(ranked, "sacrum", _conflict(ranked))


def names_above_sacrum(count: int, sacral_index: int, lumbar: int = 5) -> tuple[str, ...]:
    """Names of ``count`` bodies when body ``sacral_index`` is S1 and the spine has so many lumbar vertebrae."""
    presacral = [*PRESACRAL[:12], *(f"L{n}" for n in range(1, lumbar + 1))]
    names = []
    for index in range(count):
        above = sacral_index - index
        if above <= 0:
            names.append("S1")
        else:
            names.append(presacral[-above] if above <= len(presacral) else "C7")
    return tuple(names)


def unanchored(count: int) -> Numbering:
    """Names without an anchor: equally doubtful shifts of a lumbar chain, and the doubt in words."""
    hypotheses = [names_above_sacrum(count, count + below) for below in range(4)]
    ranked = tuple(Labelling(names, 0.25) for names in hypotheses)
    return Numbering(ranked, None, "Neither sacrum nor another anchor is in view, so the levels cannot be named.")


def _conflict(ranked: tuple[Labelling, ...]) -> str | None:
    if len(ranked) < 2 or ranked[1].probability < CONFLICT_FROM:
        return None
    first, second = ranked[0], ranked[1]
    differing = [pair for pair in zip(first.names, second.names, strict=True) if pair[0] != pair[1]]
    if not differing:
        return None
    one, other = differing[-1]
    return f"One vertebra may be {one} ({first.probability:.0%}) or {other} ({second.probability:.0%})."
