"""What may follow what in a spine: the chain of names with its variants and their prevalence, skips included."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.numbering_statistics import CHAIN, NumberingStatistics

Table = NDArray[Any]
INDEX = {name: index for index, name in enumerate(CHAIN)}


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How often a spine counts otherwise than seven, twelve and five.

    Lumbar counts: 23 of the 1,486 spines of the key points that show the end of the lumbar spine have six;
    that set was enriched for nothing but is small, so six and four are taken for somewhat more frequent.
    Eleven thoracic vertebrae: 5 of its 1,520 that show T11. Thirteen were not seen there and are taken for as
    rare.
    """

    six_lumbar: float = 0.025
    four_lumbar: float = 0.02
    eleven_thoracic: float = 0.004
    thirteen_thoracic: float = 0.004


@dataclass(frozen=True, eq=False, slots=True)
class Edges:
    """Every way from one found vertebra to the next found one, flat; ``skipped`` lie between and were missed.

    Parameters
    ----------
    upper, lower
        Indices into ``CHAIN``.
    skipped
        How many vertebrae lie between.
    log_prior
        Of the vertebrae between and the one below, given the one above; missing them is not counted yet.
    log_distance, log_distance_sd, lean_deg, lean_sd_deg
        What is expected between the two centres.
    """

    upper: NDArray[np.intp]
    lower: NDArray[np.intp]
    skipped: NDArray[np.intp]
    log_prior: Table
    log_distance: Table
    log_distance_sd: Table
    lean_deg: Table
    lean_sd_deg: Table


def follows(prevalence: Prevalence) -> dict[str, dict[str, float]]:
    """For every name, the names that may come next below it with their probabilities."""
    after = {upper: {lower: 1.0} for upper, lower in pairwise(CHAIN)}
    p = prevalence
    reaches_five = 1.0 - p.four_lumbar
    after["T11"] = {"T12": 1.0 - p.eleven_thoracic, "L1": p.eleven_thoracic}
    after["T12"] = {"L1": 1.0 - p.thirteen_thoracic, "T13": p.thirteen_thoracic}
    after["L4"] = {"L5": reaches_five, "S1": p.four_lumbar}
    after["L5"] = {"S1": 1.0 - p.six_lumbar / reaches_five, "L6": p.six_lumbar / reaches_five}
    return after


def sacrum_follows(prevalence: Prevalence, missed: float) -> Table:
    """For every name, the probability that the sacrum comes next, or after one missed vertebra; shape (k,)."""
    after = follows(prevalence)
    next_of = np.array([[after.get(upper, {}).get(lower, 0.0) for lower in CHAIN] for upper in CHAIN])
    sacrum = next_of[:, INDEX["S1"]]
    return sacrum + missed * next_of[:, : INDEX["S1"]] @ sacrum[: INDEX["S1"]]


@lru_cache(maxsize=16)
def _paths(prevalence: Prevalence, longest_skip: int) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Every run of names without a gap, two names and up to ``longest_skip`` between, with its probability."""
    after = follows(prevalence)
    runs: list[tuple[tuple[str, ...], float]] = [((name,), 1.0) for name in CHAIN]
    found: list[tuple[tuple[str, ...], float]] = []
    for _ in range(longest_skip + 1):
        runs = [((*run, name), p * q) for run, p in runs for name, q in after.get(run[-1], {}).items()]
        found += runs
    return tuple(found)


@lru_cache(maxsize=16)
def edges_of(statistics: NumberingStatistics, prevalence: Prevalence, longest_skip: int) -> Edges:
    """All edges, those between the same names with the same number of skipped vertebrae taken together."""
    groups: dict[tuple[int, str, str], list[tuple[tuple[str, ...], float]]] = defaultdict(list)
    for run, probability in _paths(prevalence, longest_skip):
        groups[len(run) - 2, run[0], run[-1]].append((run, probability))
    rows = []
    for (skipped, upper, lower), runs in groups.items():
        run, _ = max(runs, key=lambda each: each[1])
        rows.append((INDEX[upper], INDEX[lower], skipped, np.log(sum(p for _, p in runs)), *_expected(run, statistics)))
    table = np.array(rows)
    whole = [table[:, column].astype(np.intp) for column in range(3)]
    return Edges(*whole, *(table[:, column] for column in range(3, 8)))


def _expected(run: tuple[str, ...], statistics: NumberingStatistics) -> tuple[float, float, float, float]:
    """Distance and lean from the first to the last of a run of neighbours."""
    steps = [statistics.steps[pair] for pair in pairwise(run)]
    distances = np.exp([step.log_distance for step in steps])
    spreads = distances * [step.log_distance_sd for step in steps]
    total = float(distances.sum())
    lean = float(np.average([step.lean_deg for step in steps], weights=distances))
    lean_sd = float(np.sqrt(np.mean(np.square([step.lean_sd_deg for step in steps]))))
    return float(np.log(total)), float(np.sqrt(np.square(spreads).sum())) / total, lean, lean_sd
