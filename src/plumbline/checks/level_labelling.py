"""Are the vertebrae named alike, and can they be named at all? A declared doubt is the finding (B26)."""

from __future__ import annotations

from itertools import pairwise

from plumbline.anatomy.numbering_doubts import doubt_of_names
from plumbline.checks.context import CheckContext
from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.errors import PlumblineError

SOURCES = ("B26",)
UNUSUAL = ("L6", "T13")


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding for the exam, against the baseline where that could be numbered too."""
    numbering = context.current.anatomy.spine.numbering
    best = numbering.best
    if best is None or numbering.anchor is None:
        reason = numbering.conflict or "Nothing in view anchors the numbering."
        return (_finding(Status.INDETERMINATE, reason),)
    unusual = [name for name in best.names if name in UNUSUAL] or _is_short(best.names)
    if unusual:
        return (_finding(Status.POSITIVE, _unusual_words(best.names, numbering.confidence), numbering.conflict),)
    disagreement = _disagreement(context)
    if disagreement is not None:
        return (_finding(Status.POSITIVE, disagreement, reference="baseline"),)
    doubt = doubt_of_names(numbering, context.thresholds.sure_name_confidence)
    if doubt is not None:
        return (_finding(Status.INDETERMINATE, doubt),)
    return (
        _finding(
            Status.NEGATIVE,
            f"Numbered from the {numbering.anchor} with confidence {numbering.confidence:.2f}; no doubt remains.",
        ),
    )


def _is_short(names: tuple[str, ...]) -> bool:
    """Four lumbar vertebrae: L4 straight on the sacrum."""
    return any(first == "L4" and second == "S1" for first, second in pairwise(names))


def _unusual_words(names: tuple[str, ...], confidence: float) -> str:
    return (
        f"The most probable numbering ({names[0]} to {names[-1]}, confidence {confidence:.2f}) is not the usual one: "
        "a transitional junction is possible, and other readers may count differently."
    )


def _disagreement(context: CheckContext) -> str | None:
    """The same bone under two names, both anchored, told by image registration."""
    if context.baseline is None or isinstance(context.baseline.outcome, Exception):
        return None
    if context.baseline.anatomy.spine.numbering.anchor is None:
        return None
    try:
        shift = context.shift
    except PlumblineError:
        return None
    before, now = context.baseline.anatomy.spine.names, context.current.anatomy.spine.names
    pairs = [(before[i], now[i + shift]) for i in range(len(before)) if 0 <= i + shift < len(now)]
    differing = [(first, second) for first, second in pairs if first != second]
    if not differing:
        return None
    first, second = differing[0]
    return f"The same vertebra is named {first} in the baseline and {second} in this exam."


def _finding(status: Status, *reasons: str | None, reference: str | None = None) -> Finding:
    said = tuple(reason for reason in reasons if reason)
    return Finding(CheckName.LEVEL_LABELLING, None, status, said, reference=reference, sources=SOURCES)
