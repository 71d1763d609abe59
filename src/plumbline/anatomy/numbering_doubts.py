"""What remains in doubt of a numbering, in words that a radiologist can act on."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.anatomy.numbering import NOT_A_VERTEBRA, Labelling, Numbering
from plumbline.anatomy.spine_evidence import SpineEvidence

SACRUM = "sacrum"
LAST_RIB = "last-rib"
_MAP_SHIFTED_FROM = 0.1
_RARE = {
    "L6": "Six lumbar vertebrae are counted",
    "T13": "Thirteen thoracic vertebrae are counted",
}


@dataclass(frozen=True, slots=True)
class Weighed:
    """Labellings with their probabilities, the best first.

    Parameters
    ----------
    fits
        Whether the bodies are spaced like those of a real spine under any names.
    map_is_shifted
        Probability that a label map as a whole is one place off.
    """

    labellings: tuple[Labelling, ...]
    fits: bool = True
    map_is_shifted: float = 0.0


def doubt_in_words(weighed: Weighed, evidence: SpineEvidence, anchor: str | None, sure_from: float) -> str | None:
    """One or more sentences, None where the names may be relied on."""
    if anchor is None:
        return "Neither sacrum nor another anchor is in view, so the levels cannot be named."
    sentences = [
        _two_remain(weighed, sure_from),
        _does_not_fit(weighed),
        _map_disagrees(weighed, evidence),
        _counts_otherwise(weighed.labellings[0]),
    ]
    return " ".join(sentence for sentence in sentences if sentence) or None


def doubt_of_ribs_alone(anchor: str | None) -> str | None:
    """What has to be said of names that a localiser counts from the last rib, with no sacrum to count against."""
    if anchor != LAST_RIB:
        return None
    return "Numbered from the last rib alone: were a shorter rib taken for a transverse process, it would be one off."


def doubt_of_names(numbering: Numbering, sure_from: float) -> str | None:
    """What everything that goes by these names has to say beside it; None where they may be relied on.

    Parameters
    ----------
    sure_from
        Probability from which names that hang on the sacrum alone are given without a doubt.
    """
    if numbering.conflict:
        return numbering.conflict
    if numbering.anchor != SACRUM or numbering.confidence >= sure_from:
        return None
    return (
        f"Numbered upwards from the sacrum alone, with confidence {numbering.confidence:.2f}: a spine with "
        f"{_other_counts(numbering)} lumbar vertebrae would look the same."
    )


_UNUSUAL_LAST_LUMBAR = {"L4": "four", "L6": "six"}


def _other_counts(numbering: Numbering) -> str:
    """How many lumbar vertebrae the less probable labellings count: ``four or six`` where nothing tells."""
    above_sacrum = {names[names.index("S1") - 1] for names in _other_names(numbering) if "S1" in names[1:]}
    words = [word for name, word in _UNUSUAL_LAST_LUMBAR.items() if name in above_sacrum]
    return " or ".join(words or _UNUSUAL_LAST_LUMBAR.values())


def _other_names(numbering: Numbering) -> list[tuple[str, ...]]:
    return [each.names for each in numbering.labellings[1:]]


def _two_remain(weighed: Weighed, sure_from: float) -> str | None:
    first = weighed.labellings[0]
    if first.probability >= sure_from:
        return None
    others = [each for each in weighed.labellings[1:] if each.names != first.names]
    if not others:
        return f"The names of the vertebrae are uncertain ({first.probability:.0%})."
    second = others[0]
    one, other = [pair for pair in zip(first.names, second.names, strict=True) if pair[0] != pair[1]][-1]
    return (
        f"One vertebra may be {_called(one)} ({first.probability:.0%}) or {_called(other)} ({second.probability:.0%})."
    )


def _called(name: str) -> str:
    return "no vertebra" if name == NOT_A_VERTEBRA else name


def _does_not_fit(weighed: Weighed) -> str | None:
    return None if weighed.fits else "The distances between the vertebrae fit no usual spine under any names."


def _map_disagrees(weighed: Weighed, evidence: SpineEvidence) -> str | None:
    labelled = [body.label for body in evidence.bodies]
    if not any(labelled):
        return None
    if weighed.map_is_shifted >= _MAP_SHIFTED_FROM:
        return f"The label map may be off by one vertebra ({weighed.map_is_shifted:.0%})."
    pairs = zip(labelled, weighed.labellings[0].names, strict=True)
    differing = [(label, name) for label, name in pairs if label and label != name]
    if not differing:
        return None
    label, name = differing[-1]
    return f"The label map says {label} of a vertebra that is more likely {_called(name)}."


def _counts_otherwise(best: Labelling) -> str | None:
    """A rare count is said even where it is sure: counted from the other end the names differ (B26)."""
    for name, sentence in _RARE.items():
        if name in best.names:
            return f"{sentence}; counted from the other end the names differ by one."
    if "S1" in best.names and "L4" in best.names and "L5" not in best.names:
        return "Four lumbar vertebrae are counted; counted from the other end the names differ by one."
    if "T11" in best.names and "L1" in best.names and "T12" not in best.names:
        return "Eleven thoracic vertebrae are counted; counted from the other end the names differ by one."
    return None
