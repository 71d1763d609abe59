"""From what was found of a spine to the probability of whole labellings.

Spacing, size and what each body says of itself are weighed against how often spines count otherwise than
usual; names counted from the sacrum and names counted from the head differ in a transitional spine, so
what remains of the other counts is carried and, where it matters, said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.chain_inference import ChainModel
from plumbline.anatomy.chain_likelihoods import NumberingSettings, chain_model
from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.anatomy.numbering_doubts import Weighed, doubt_in_words, doubt_of_ribs_alone
from plumbline.anatomy.numbering_statistics import CHAIN, REGIONS, NumberingStatistics, numbering_statistics
from plumbline.anatomy.spine_evidence import BodyEvidence, SacrumEvidence, SpineEvidence
from plumbline.errors import InvalidInput

__all__ = [
    "NumberingSettings",
    "SacrumEvidence",
    "anchor_of",
    "log_likelihood_per_body",
    "names_above_sacrum",
    "number_from_sacrum",
    "number_spine",
]

_LEAST_TOTAL = 1e-300
_LEAST_SETTING_SHARE = 0.003
_LEAST_TO_FIT = 3
_ANCHORED_FROM = 0.5


def number_spine(
    evidence: SpineEvidence,
    settings: NumberingSettings | None = None,
    statistics: NumberingStatistics | None = None,
) -> Numbering:
    """Name the bodies of one exam: the plausible labellings as wholes, their anchor, and the doubt in words.

    Raises
    ------
    InvalidInput
        When there is no body, or the bodies are not in order from cranial to caudal.
    """
    settings, statistics = settings or NumberingSettings(), statistics or numbering_statistics()
    _refuse_disorder(evidence.bodies)
    weighed = _weigh(evidence, settings, statistics)
    anchor = anchor_of(evidence)
    return Numbering(weighed.labellings, anchor, doubt_in_words(weighed, evidence, anchor, settings.sure_from))


def log_likelihood_per_body(evidence: SpineEvidence, statistics: NumberingStatistics) -> float:
    """How well the statistics explain these bodies: natural logarithm against a featureless background."""
    return _fit(chain_model(evidence, NumberingSettings(), statistics))


def anchor_of(evidence: SpineEvidence) -> str | None:
    """What the names hang on, the strongest first; None where nothing holds them.

    A detector that tells thoracic from lumbar vertebrae tells where the ribs end: ``last-rib``.
    """
    sacral = [body.is_sacral for body in evidence.bodies if body.is_sacral is not None]
    if any(body.label for body in evidence.bodies):
        return "label-map"
    if max(evidence.second_cervical.values(), default=0.0) >= _ANCHORED_FROM:
        return "C2"
    if max([*sacral, evidence.sacrum_below]) >= _ANCHORED_FROM:
        return "sacrum"
    return "last-rib" if _shows_end_of_ribs(evidence) else None


def _shows_end_of_ribs(evidence: SpineEvidence) -> bool:
    ribs = [body.bears_rib for body in evidence.bodies if body.bears_rib is not None]
    regions = {REGIONS[int(np.argmax(body.region))] for body in evidence.bodies if body.region is not None}
    is_seen_on_ribs = bool(ribs) and max(ribs) >= _ANCHORED_FROM > min(ribs)
    return sum(evidence.last_rib.values()) >= _ANCHORED_FROM or len(regions) > 1 or is_seen_on_ribs


def _refuse_disorder(bodies: Sequence[BodyEvidence]) -> None:
    if not bodies:
        raise InvalidInput("there is no vertebral body to name")
    heights = [float(body.centre_lps_mm[2]) for body in bodies]
    if any(upper < lower for upper, lower in pairwise(heights)):
        raise InvalidInput("the vertebral bodies are not in order from cranial to caudal")


def _weigh(evidence: SpineEvidence, settings: NumberingSettings, statistics: NumberingStatistics) -> Weighed:
    model = chain_model(evidence, settings, statistics)
    by_setting = model.evidence()
    total = max(float(by_setting.sum()), _LEAST_TOTAL)
    candidates: set[tuple[str, ...]] = set()
    for setting in _likely_settings(model, by_setting):
        candidates.update(model.candidates(setting, settings.carried_from / 10))
    probability = {names: model.score(names) / total for names in candidates}
    return Weighed(
        _ranked(probability, settings.carried_from),
        fits=model.count < _LEAST_TO_FIT or np.log(total) / model.count >= statistics.usual_log_likelihood,
        map_is_shifted=float(by_setting[model.shift != 0].sum()) / total,
    )


def _likely_settings(model: ChainModel, by_setting: NDArray[Any]) -> list[int]:
    """The likeliest of each count and shift of the label map: candidates of the others differ little."""
    chosen: list[int] = []
    for variant in range(len(model.names)):
        for shift in np.unique(model.shift):
            own = np.flatnonzero((model.shift == shift) & (model.variant == variant))
            best = own[np.argmax(by_setting[own])]
            if by_setting[best] > _LEAST_SETTING_SHARE * by_setting.max():
                chosen.append(int(best))
    return chosen


def _fit(model: ChainModel) -> float:
    return float(np.log(max(float(model.evidence().sum()), _LEAST_TOTAL))) / model.count


def _ranked(probability: Mapping[tuple[str, ...], float], carried_from: float) -> tuple[Labelling, ...]:
    """The most probable first; the improbable left out, the best one never."""
    ranked = sorted((Labelling(names, p) for names, p in probability.items()), key=lambda each: -each.probability)
    return tuple(each for place, each in enumerate(ranked) if place == 0 or each.probability >= carried_from)


# --- by the sacrum --------------------------------------------------------------------------------

PRESACRAL = tuple(name for name in CHAIN[:-1] if name[0] in "CT" and name != "T13")
"""C1 to T12; how many lumbar vertebrae follow is a hypothesis."""


def number_from_sacrum(
    count: int,
    evidence: Sequence[SacrumEvidence],
    *,
    bodies: Sequence[BodyEvidence] = (),
    last_rib: Mapping[int, float] | None = None,
    settings: NumberingSettings | None = None,
) -> Numbering:
    """Number ``count`` bodies, cranial to caudal, by which of them is the first sacral one.

    Parameters
    ----------
    evidence
        The candidates; ``index == count`` means that the sacrum begins just below the last body. Bodies
        below the first sacral one are called S1, too.
    bodies
        The bodies themselves; with them spacing, and whatever each says of itself, is weighed. They may begin
        with bodies that are not to be named, above the first of the ``count``: of a vertebra that the border
        cuts a rib may be seen.
    last_rib
        By index of a body, the probability that the last rib joins it; needs ``bodies``.
    """
    settings = settings or NumberingSettings()
    total = sum(each.probability for each in evidence)
    found = SpineEvidence(tuple(bodies), last_rib=last_rib or {})
    unnamed = max(len(bodies) - count, 0)
    if not evidence or total < _ANCHORED_FROM:
        return _without_sacrum(count, found, unnamed, settings)
    probability: dict[tuple[str, ...], float] = defaultdict(float)
    for each in _weighed_by_ribs(evidence, found, unnamed, settings):
        for names, share in _above(each.index, count, found, unnamed, settings).items():
            probability[names] += share * each.probability / max(total, 1.0)
    weighed = Weighed(_ranked(probability, settings.carried_from))
    sure_from = settings.sure_from if _shows_end_of_ribs(found) else settings.sure_from_sacrum
    return Numbering(weighed.labellings, "sacrum", doubt_in_words(weighed, found, "sacrum", sure_from))


def _without_sacrum(count: int, found: SpineEvidence, unnamed: int, settings: NumberingSettings) -> Numbering:
    if not found.bodies or anchor_of(found) is None:
        return unanchored(count)
    settings, anchor = _for_a_localiser(settings), anchor_of(found)
    weighed = _weigh(found, settings, numbering_statistics())
    # How well distances fit was learned on detectors that score regions, too; here it would say nothing.
    named = Weighed(_ranked(_without_first(weighed, unnamed), settings.carried_from))
    doubt = doubt_in_words(named, found, anchor, settings.sure_from) or doubt_of_ribs_alone(anchor)
    return Numbering(named.labellings, anchor, doubt)


def _without_first(weighed: Weighed, unnamed: int) -> Mapping[tuple[str, ...], float]:
    """Probabilities of what the labellings say of the bodies below the first ``unnamed`` ones."""
    probability: dict[tuple[str, ...], float] = defaultdict(float)
    for each in weighed.labellings:
        probability[each.names[unnamed:]] += each.probability
    return probability


def _for_a_localiser(settings: NumberingSettings) -> NumberingSettings:
    """A localiser grows from body to body: what it hands in are neighbours and vertebrae."""
    return replace(settings, missed=0.0, false=0.0)


def _above(
    sacral_index: int, count: int, found: SpineEvidence, unnamed: int, settings: NumberingSettings
) -> Mapping[tuple[str, ...], float]:
    """Labellings, given which body is the first sacral one."""
    below = ("S1",) * (count - sacral_index)
    if not found.bodies or sacral_index == 0:
        p = settings.prevalence
        lumbar_counts = {5: 1.0 - p.six_lumbar - p.four_lumbar, 6: p.six_lumbar, 4: p.four_lumbar}
        shares: dict[tuple[str, ...], float] = defaultdict(float)
        for lumbar, prior in lumbar_counts.items():
            shares[names_above_sacrum(count, sacral_index, lumbar)] += prior
        return shares
    presacral = _presacral(sacral_index + unnamed, found)
    weighed = _weigh(presacral, _for_a_localiser(settings), numbering_statistics())
    return {(*names, *below): share for names, share in _without_first(weighed, unnamed).items()}


def _presacral(sacral: int, found: SpineEvidence) -> SpineEvidence:
    """What was found above body ``sacral``, which is the first sacral one."""
    return SpineEvidence(
        tuple(replace(body, is_sacral=0.0) for body in found.bodies[:sacral]),
        sacrum_below=1.0,
        last_rib={index: p for index, p in found.last_rib.items() if index < sacral},
    )


def _weighed_by_ribs(
    evidence: Sequence[SacrumEvidence], found: SpineEvidence, unnamed: int, settings: NumberingSettings
) -> Sequence[SacrumEvidence]:
    """The candidates for the first sacral body once the ribs are known, their sum unchanged.

    A sacrum that leaves five vertebrae below the last rib is likelier than one that leaves four.
    """
    if not any(body.bears_rib is not None for body in found.bodies):
        return evidence
    fit = [each.probability * _fit_of_ribs(each.index + unnamed, found, settings) for each in evidence]
    before, after = sum(each.probability for each in evidence), max(sum(fit), _LEAST_TOTAL)
    return [replace(each, probability=own * before / after) for each, own in zip(evidence, fit, strict=True)]


def _fit_of_ribs(sacral: int, found: SpineEvidence, settings: NumberingSettings) -> float:
    """Likelihood of the ribs as they were seen, given that body ``sacral`` is the first sacral one."""
    presacral = _presacral(sacral, found)
    if not presacral.bodies:
        return 1.0
    ribless = replace(presacral, bodies=tuple(replace(body, bears_rib=None) for body in presacral.bodies))
    with_ribs, without = (
        chain_model(each, _for_a_localiser(settings), numbering_statistics()).evidence().sum()
        for each in (presacral, ribless)
    )
    return float(with_ribs / max(without, _LEAST_TOTAL))


def names_above_sacrum(count: int, sacral_index: int, lumbar: int = 5) -> tuple[str, ...]:
    """Names of ``count`` bodies when body ``sacral_index`` is S1 and the spine has so many lumbar vertebrae."""
    presacral = (*PRESACRAL, *(f"L{n}" for n in range(1, lumbar + 1)))
    first = len(presacral) - sacral_index
    names = [presacral[max(first + index, 0)] for index in range(min(count, sacral_index))]
    return (*names, *("S1",) * (count - len(names)))


def unanchored(count: int) -> Numbering:
    """Names without an anchor: equally doubtful shifts of a lumbar chain, and the doubt in words."""
    hypotheses = [names_above_sacrum(count, count + below) for below in range(4)]
    ranked = tuple(Labelling(names, 1.0 / len(hypotheses)) for names in hypotheses)
    return Numbering(ranked, None, "Neither sacrum nor another anchor is in view, so the levels cannot be named.")
