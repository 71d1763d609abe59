"""The likelihoods of one spine's chain: what spacing, size and each body's own words say for every name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.chain_inference import ChainModel
from plumbline.anatomy.numbering_statistics import (
    CHAIN,
    REGION_CATEGORIES,
    USUAL,
    NumberingStatistics,
    region_category,
    step_between,
)
from plumbline.anatomy.spine_chain import INDEX, LONGEST, Prevalence, Variant, expected_steps, variants_of
from plumbline.anatomy.spine_evidence import BodyEvidence, SpineEvidence
from plumbline.errors import InvalidInput

Table = NDArray[Any]

SHIFTS = (-1, 0, 1)
"""By how many places a label map may be off as a whole; the fastest varying of a chain's settings."""

_PERSONS = np.linspace(-1.6, 1.6, 3)
"""Sizes and postures that are summed over, in standard deviations between persons."""


@dataclass(frozen=True, slots=True)
class NumberingSettings:
    """What numbering believes and when it is sure.

    Parameters
    ----------
    prevalence
        How often spines count otherwise.
    sure_from
        Probability of the best labelling from which it is given without a declared doubt. Chosen on the
        trade-off in docs/accuracy.md.
    sure_from_sacrum
        The same where names are counted from a sacrum in view: how many lumbar vertebrae there are stays a
        prior then, and L5 is the one above the sacrum until ribs or a map say otherwise.
    carried_from
        Less probable labellings are left out.
    missed, false
        Probability that whoever found the bodies missed one, or took something else for one; None for the
        statistics' figures of a detector.
    longest_skip, longest_false_run
        More missed vertebrae, or false bodies, in a row are not considered.
    geometry_weight
        Exponent on the likelihood of spacing, lean and width: they vary together along a spine, so they
        count for less than if each stood alone.
    region_weight
        The same on a detector's region scores, whose mistakes at one border go together.
    outlier_share
        Share of distances, leans and widths that are measured wrong.
    text_weight
        By how much a vertebra that the order's text speaks of is likelier to be in view.
    label_map_shifted
        How often a label map names every vertebra one too high, or one too low.
    unseen_end
        Likelihood that a field of view ends below any one vertebra.
    """

    prevalence: Prevalence = field(default_factory=Prevalence)
    sure_from: float = 0.98
    sure_from_sacrum: float = 0.9
    carried_from: float = 0.01
    missed: float | None = None
    false: float | None = None
    longest_skip: int = 3
    longest_false_run: int = 2
    geometry_weight: float = 0.2
    region_weight: float = 0.6
    outlier_share: float = 0.03
    text_weight: float = 1.3
    label_map_shifted: float = 0.02
    unseen_end: float = 0.04


def chain_model(evidence: SpineEvidence, settings: NumberingSettings, statistics: NumberingStatistics) -> ChainModel:
    """The chain of one spine, ready for inference."""
    bodies = evidence.bodies
    shared = _shared_settings(settings, statistics, is_labelled=any(body.label for body in bodies))
    missed = statistics.missed if settings.missed is None else settings.missed
    false = statistics.false if settings.false is None else settings.false
    expected = _Expected(shared, missed, settings, statistics)
    steps = {
        (upper, lower): expected.table(bodies[upper], bodies[lower]) * false ** (lower - upper - 1)
        for upper in range(len(bodies))
        for lower in range(upper + 1, min(upper + 2 + settings.longest_false_run, len(bodies)))
        if false > 0.0 or lower == upper + 1
    }
    ends = [_end(variant, evidence.sacrum_below, missed, settings, statistics) for variant in shared.variants]
    emission = [_emission(i, evidence, shared, settings, statistics) for i in range(len(bodies))]
    return ChainModel(
        names=tuple(variant.names for variant in shared.variants),
        start=shared.per_variant([np.full(len(each.names), 1.0 / len(CHAIN)) for each in shared.variants]),
        end=shared.per_variant(ends),
        emission=np.stack(emission) * (1.0 - false),
        false=np.full(len(bodies), false),
        steps=steps,
        prior=shared.prior,
        variant=shared.variant,
        shift=shared.shift,
    )


def _end(
    variant: Variant,
    sacrum_below: float,
    missed: float,
    settings: NumberingSettings,
    statistics: NumberingStatistics,
) -> Table:
    """Likelihood that nothing is found below a place: the sacrum comes, or the view ends; a value per place."""
    value = np.zeros(len(variant.names))
    value[-3:] = missed * (1.0 - statistics.sacrum_found), 1.0 - statistics.sacrum_found, statistics.sacrum_found
    return sacrum_below * value + (1.0 - sacrum_below) * settings.unseen_end


@dataclass(frozen=True, eq=False)
class _Shared:
    """What is common to the whole spine, for every setting.

    Parameters
    ----------
    variants
        The ways to count.
    variant, size, posture_deg, shift, prior
        Shape (h,) each: index of the way to count, size of the person as a logarithm, lean of the whole
        spine, by how many places a label map is off; and the prior of the setting.
    """

    variants: tuple[Variant, ...]
    variant: NDArray[np.intp]
    size: Table
    posture_deg: Table
    shift: Table
    prior: Table

    def per_variant(self, values: Sequence[Table]) -> Table:
        """One column per setting from the values of every variant's places, 0 beyond them; shape (k, h)."""
        table = np.zeros((LONGEST, len(values)))
        for column, own in enumerate(values):
            table[: len(own), column] = own
        return table[:, self.variant]


def _shared_settings(settings: NumberingSettings, statistics: NumberingStatistics, *, is_labelled: bool) -> _Shared:
    variants = variants_of(settings.prevalence)
    shifted = settings.label_map_shifted if is_labelled else 0.0
    priors = (
        np.array([variant.prior for variant in variants]),
        _normal(_PERSONS),
        _normal(_PERSONS),
        np.array([shifted, 1.0 - 2.0 * shifted, shifted]),
    )
    values = (np.arange(len(variants)), _PERSONS * statistics.size_sd, _PERSONS * statistics.posture_sd_deg, SHIFTS)
    variant, size, posture, shift = (each.ravel() for each in np.meshgrid(*values, indexing="ij"))
    prior = np.prod([each.ravel() for each in np.meshgrid(*priors, indexing="ij")], axis=0)
    possible = prior > 0.0
    return _Shared(variants, variant[possible], size[possible], posture[possible], shift[possible], prior[possible])


def _normal(at: Table) -> Table:
    density = np.exp(-0.5 * at**2)
    return density / density.sum()


class _Expected:
    """The step tables of one spine; what does not depend on the two bodies is kept."""

    def __init__(
        self, shared: _Shared, missed: float, settings: NumberingSettings, statistics: NumberingStatistics
    ) -> None:
        self._settings = settings
        self._variant = shared.variant
        self._size, self._size_of = np.unique(shared.size, return_inverse=True)
        self._posture, self._posture_of = np.unique(shared.posture_deg, return_inverse=True)
        skip = settings.longest_skip if missed > 0.0 else 0
        self._steps = expected_steps(settings.prevalence, statistics, skip)
        broad = (_BROAD_LOG_DISTANCE * _BROAD_LEAN_DEG) ** settings.geometry_weight
        self._weight = self._steps.exists * (missed ** np.arange(skip + 1.0))[:, None] * broad

    def table(self, upper: BodyEvidence, lower: BodyEvidence) -> Table:
        """Likelihood of the step between two bodies for every place above and every setting; shape (s, k, h)."""
        log_distance, lean_deg = step_between(upper.centre_lps_mm, lower.centre_lps_mm)
        steps = self._steps
        distance = self._density(log_distance, steps.log_distance, steps.log_distance_sd, self._size)
        lean = self._density(lean_deg, steps.lean_deg, steps.lean_sd_deg, self._posture)
        both = (distance * self._weight)[:, None] * lean[None]
        return np.moveaxis(both[self._size_of, self._posture_of, self._variant], 0, -1)

    def _density(self, value: float, mean: Table, spread: Table, offsets: Table) -> Table:
        """Weighted density for every offset of the person and every step; shape (offsets, v, s, k)."""
        off = (value - mean - offsets[:, None, None, None]) / spread
        return (_tolerant(off, self._settings.outlier_share) / spread) ** self._settings.geometry_weight


_BROAD_LOG_DISTANCE = 0.3
_BROAD_LEAN_DEG = 15.0
_BROAD_LOG_WIDTH = 0.3
_OUTLIER_SPREAD = 6.0
"""Spread of a measurement that is wrong, in spreads of a right one; it never rules a name out by itself."""


def _tolerant(deviation: Table, outlier_share: float) -> Table:
    """Normal density with a broad part for wrong measurements, up to a constant."""
    wrong = np.exp(-0.5 * (deviation / _OUTLIER_SPREAD) ** 2) / _OUTLIER_SPREAD
    return (1.0 - outlier_share) * np.exp(-0.5 * deviation**2) + outlier_share * wrong + 1e-6


def _emission(
    index: int,
    evidence: SpineEvidence,
    shared: _Shared,
    settings: NumberingSettings,
    statistics: NumberingStatistics,
) -> Table:
    """Likelihood of what one body says, for every place and setting; shape (k, h)."""
    body = evidence.bodies[index]
    by_name = _region_likelihood(body, settings, statistics)
    by_name = by_name * _claim(body.is_sacral, _IS_SACRAL) * _claim(body.bears_rib, _IS_THORACIC)
    by_name = by_name * _claim(evidence.second_cervical.get(index), _IS_AXIS)
    if evidence.written_names:
        by_name = by_name * np.where(np.isin(CHAIN, evidence.written_names), settings.text_weight, 1.0)
    last_rib = evidence.last_rib.get(index, 0.0) if evidence.last_rib else None
    has_widths = any(each.pedicle_width_mm is not None for each in evidence.bodies)
    own = []
    for variant in shared.variants:
        value = by_name[[INDEX[name] for name in variant.names]]
        if last_rib is not None:
            value = value * _claim(last_rib, _is_last_thoracic(variant))
        own.append(value * _width_likelihood(body, variant, settings, statistics) if has_widths else value)
    value = shared.per_variant(own)
    if body.label is None:
        return value
    for shift in SHIFTS:
        said = [_label_likelihood(body.label, each, shift, evidence.label_reliability) for each in shared.variants]
        columns = shared.shift == shift
        value[:, columns] *= shared.per_variant(said)[:, columns]
    return value


_NAMES = np.array(CHAIN)
_IS_SACRAL = (_NAMES == "S1").astype(float)
_IS_AXIS = (_NAMES == "C2").astype(float)
_IS_THORACIC = np.char.startswith(_NAMES, "T").astype(float)
_LEAST_CLAIM = 1e-3


def _claim(probability: float | None, holds: Table) -> Table:
    """Likelihood of a judgement of ``probability`` for names for which it ``holds`` (1) or not (0)."""
    if probability is None:
        return np.ones(len(holds))
    p = float(np.clip(probability, _LEAST_CLAIM, 1.0 - _LEAST_CLAIM))
    return holds * p + (1.0 - holds) * (1.0 - p)


def _region_likelihood(body: BodyEvidence, settings: NumberingSettings, statistics: NumberingStatistics) -> Table:
    if body.region is None:
        return np.ones(len(CHAIN))
    category = region_category(body.region)
    seen = np.array([statistics.region[name][category] for name in CHAIN]) * REGION_CATEGORIES
    return seen**settings.region_weight


def _is_last_thoracic(variant: Variant) -> Table:
    last = max((name for name in variant.names if name[0] == "T"), key=lambda name: INDEX[name])
    return (np.array(variant.names) == last).astype(float)


def _width_likelihood(
    body: BodyEvidence, variant: Variant, settings: NumberingSettings, statistics: NumberingStatistics
) -> Table:
    """Whether pedicles were seen, and how far apart; a value per place."""
    places = [variant.place[name] for name in variant.names]
    seen = np.array([statistics.width_seen[place] for place in places])
    if body.pedicle_width_mm is None:
        return (1.0 - seen) ** settings.geometry_weight
    mean, spread = np.array([statistics.log_width[place] for place in places]).T
    measured = float(np.log(max(body.pedicle_width_mm, 1.0)))
    density = _tolerant((measured - mean) / spread, settings.outlier_share) / spread * _BROAD_LOG_WIDTH
    return (seen * density) ** settings.geometry_weight


def _label_likelihood(label: str, variant: Variant, shift: int, reliability: float) -> Table:
    """Of a label map's name, a value per place: a map may be one off as a whole or wrong in places."""
    if label not in INDEX:
        raise InvalidInput(f"{label!r} is not the name of a vertebra")
    is_said = np.array([label in names_when_shifted(name, shift) for name in variant.names])
    return np.where(is_said, reliability, (1.0 - reliability) / (len(CHAIN) - 1)) * len(CHAIN)


_BESIDE = {"T13": ("T12", "T13", "L1"), "L6": ("L5", "L6", "S1")}


def names_when_shifted(name: str, by: int) -> tuple[str, ...]:
    """What a map that is ``by`` places too caudal (-1, 0 or 1) calls a vertebra.

    A map that is one off among the lumbar vertebrae may still call the sacrum what it is.
    """
    if name in _BESIDE:
        return (_BESIDE[name][by + 1],)
    place = USUAL.index(name) + by
    shifted = USUAL[place : place + 1] if place >= 0 else ()
    return (*shifted, "S1") if name == "S1" else shifted
