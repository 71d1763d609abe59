"""How a spine may count: the usual way and its variants with their prevalence, and what follows what in each.

The shape of a vertebra goes with its place above the sacrum, its name with the count: the last of four
lumbar vertebrae is shaped, and leans, like the last of five. So every variant says for each of its names
which place of a usual spine it is shaped like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.numbering_statistics import CHAIN, USUAL, NumberingStatistics

Table = NDArray[Any]
INDEX = {name: index for index, name in enumerate(CHAIN)}

_SHAPED_BY_NAME_TO = "T9"
"""Vertebrae up to here are shaped by their count from the head in every variant."""


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How often a spine counts otherwise than seven, twelve and five.

    Six lumbar: 23 of the 1,486 spines of the key points that show the end of a lumbar spine of five or six.
    Four lumbar: 66 of 1,552 there end with L4, some because the view does. Other thoracic counts were seen
    in a few (T11 next to L1 in 5). All are taken for somewhat more frequent than counted where few were.
    """

    six_lumbar: float = 0.025
    four_lumbar: float = 0.025
    eleven_thoracic: float = 0.004
    thirteen_thoracic: float = 0.004
    thirteen_and_four: float = 0.004
    eleven_and_six: float = 0.004


@dataclass(frozen=True, eq=False, slots=True)
class Variant:
    """One way to count.

    Parameters
    ----------
    prior
        How often.
    names
        Cranial to caudal, with S1.
    place
        By name: the place of a usual spine that it is shaped like.
    """

    prior: float
    names: tuple[str, ...]
    place: Mapping[str, str]


@lru_cache(maxsize=16)
def variants_of(prevalence: Prevalence) -> tuple[Variant, ...]:
    """All ways to count, the usual one first."""
    p = prevalence
    others = {
        (12, 6): p.six_lumbar,
        (12, 4): p.four_lumbar,
        (11, 5): p.eleven_thoracic,
        (13, 5): p.thirteen_thoracic,
        (13, 4): p.thirteen_and_four,
        (11, 6): p.eleven_and_six,
    }
    usual = _variant(12, 5, 1.0 - sum(others.values()))
    return (usual, *(_variant(thoracic, lumbar, prior) for (thoracic, lumbar), prior in others.items()))


def _variant(thoracic: int, lumbar: int, prior: float) -> Variant:
    names = (
        *(f"C{n}" for n in range(1, 8)),
        *(f"T{n}" for n in range(1, thoracic + 1)),
        *(f"L{n}" for n in range(1, lumbar + 1)),
        "S1",
    )
    last_by_name = USUAL.index(_SHAPED_BY_NAME_TO)
    place = {}
    for index, name in enumerate(names):
        from_below = len(USUAL) - len(names) + index
        place[name] = USUAL[index] if index <= last_by_name else USUAL[max(from_below, last_by_name)]
    return Variant(prior, names, place)


LONGEST = max(len(USUAL) + 1, len(CHAIN) - 1)
"""Places of the longest variant, S1 included."""


@dataclass(frozen=True, eq=False, slots=True)
class ExpectedSteps:
    """What is expected from one found vertebra to the next found one in every variant.

    Parameters
    ----------
    exists
        Shape (v, s, k), 1 where variant v has a place that lies s + 1 below its place k, else 0.
    log_distance, log_distance_sd, lean_deg, lean_sd_deg
        Shape (v, s, k): between the two centres, with s vertebrae missed between them.
    """

    exists: Table
    log_distance: Table
    log_distance_sd: Table
    lean_deg: Table
    lean_sd_deg: Table


@lru_cache(maxsize=32)
def expected_steps(prevalence: Prevalence, statistics: NumberingStatistics, longest_skip: int) -> ExpectedSteps:
    """Steps of every variant, with up to ``longest_skip`` vertebrae missed."""
    variants = variants_of(prevalence)
    shape = (len(variants), longest_skip + 1, LONGEST)
    exists, figures = np.zeros(shape), np.ones((4, *shape))
    for v, variant in enumerate(variants):
        for skipped in range(longest_skip + 1):
            for place in range(len(variant.names) - skipped - 1):
                run = variant.names[place : place + skipped + 2]
                exists[v, skipped, place] = 1.0
                figures[:, v, skipped, place] = _expected(run, variant, statistics)
    return ExpectedSteps(exists, *figures)


def _expected(
    run: tuple[str, ...], variant: Variant, statistics: NumberingStatistics
) -> tuple[float, float, float, float]:
    """Distance and lean from the first to the last of a run of neighbours."""
    steps = [statistics.steps[_step_place(variant.place[lower])] for _, lower in pairwise(run)]
    distances = np.exp([step.log_distance for step in steps])
    spreads = distances * [step.log_distance_sd for step in steps]
    total = float(distances.sum())
    lean = float(np.average([step.lean_deg for step in steps], weights=distances))
    lean_sd = float(np.sqrt(np.mean(np.square([step.lean_sd_deg for step in steps]))))
    return float(np.log(total)), float(np.sqrt(np.square(spreads).sum())) / total, lean, lean_sd


def _step_place(lower: str) -> tuple[str, str]:
    """The usual step that ends at a place."""
    return USUAL[USUAL.index(lower) - 1], lower
