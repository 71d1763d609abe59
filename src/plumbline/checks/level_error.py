"""Was the right level operated? The level seen to be operated against the planned one (B26, FBS24).

Only C1 and C2 can be named with certainty (B26), so a conclusion needs an anchored numbering; where two
labellings remain and they disagree about the answer, the answer is that it cannot be told.
"""

from __future__ import annotations

from itertools import pairwise

from plumbline.checks.context import CheckContext
from plumbline.checks.finding import CheckName, Finding, Status

SOURCES = ("B26", "FBS24")
LEAST_PROBABILITY = 0.05
"""Labellings less probable than this do not count as doubt."""


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding for the exam."""
    if context.plan is None or not context.plan.levels:
        return (_finding(None, Status.NOT_APPLICABLE, "No planned level is known."),)
    places = operated_places(context)
    if not places:
        return (_finding(None, Status.INDETERMINATE, "No implant shows which level was operated."),)
    return (_compare(context, places),)


def operated_places(context: CheckContext) -> tuple[int, ...]:
    """Index of the upper vertebra of every operated level: where spacers lie, else between screws."""
    hardware = context.current.anatomy.hardware
    spacers = tuple(dict.fromkeys(spacer.above for spacer in hardware.spacers))
    if spacers:
        return spacers
    screwed = hardware.instrumented
    return tuple(first for first, second in pairwise(screwed) if second == first + 1)


def _compare(context: CheckContext, places: tuple[int, ...]) -> Finding:
    planned = {level.name for level in context.plan.levels} if context.plan else set()
    numbering = context.current.anatomy.spine.numbering
    answers: dict[frozenset[str], float] = {}
    for labelling in numbering.labellings:
        if labelling.probability >= LEAST_PROBABILITY:
            seen = frozenset(_name(labelling.names, place) for place in places)
            answers[seen] = answers.get(seen, 0.0) + labelling.probability
    if not answers:
        return _finding(None, Status.INDETERMINATE, "The vertebrae could not be numbered.")
    operated = max(answers, key=lambda seen: answers[seen])
    level = ", ".join(sorted(operated))
    words = f"operated: {level}; planned: {', '.join(sorted(planned))} ({_source(context)})"
    verdicts = {bool(seen - planned) for seen in answers}
    if numbering.anchor is None:
        return _finding(level, Status.INDETERMINATE, f"The numbering hangs on no anchor ({words}).")
    if len(verdicts) > 1 or answers[operated] < context.thresholds.least_name_confidence:
        doubt = numbering.conflict or "More than one numbering remains possible."
        return _finding(level, Status.INDETERMINATE, f"{doubt} By the most probable one, {words}.")
    anchored = f"Numbered from the {numbering.anchor} with confidence {numbering.confidence:.2f}."
    if operated - planned:
        return _finding(
            level,
            Status.POSITIVE,
            f"The operated level differs from the planned one ({words}).",
            anchored,
            "Counting on an exam that shows sacrum or C2 and the order itself would settle it.",
        )
    which = "the planned one" if operated == planned else "among the planned ones"
    return _finding(level, Status.NEGATIVE, f"The operated level is {which} ({words}).", anchored)


def _name(names: tuple[str, ...], above: int) -> str:
    return f"{names[above]}-{names[above + 1]}"


def _source(context: CheckContext) -> str:
    assert context.plan is not None
    return f"source: {context.plan.source.label}"


def _finding(level: str | None, status: Status, *reasons: str) -> Finding:
    return Finding(CheckName.LEVEL_ERROR, level, status, reasons, sources=SOURCES)
